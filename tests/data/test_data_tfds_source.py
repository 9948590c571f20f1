import importlib.util

import pytest

import kerasfusion as kf


@pytest.mark.parametrize("source", ["shapes:quick", "sort_of_clevr", "tfds:clevr"])
def test_without_tfds_the_extra_is_named(source, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"^{source} is read by .*pip install 'kerasfusion\[tfds\]'"):
        kf.data.load(source, image="image", text="text", label="label")
