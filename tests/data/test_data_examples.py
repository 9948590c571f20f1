"""What is made of rows that a model takes: without a feature, without labels, and as a server gets them."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kerasfusion as kf


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(folder / f"{i}.png")
    table = pd.DataFrame(
        {
            "photo": [f"{i}.png" for i in range(12)],
            "words": [f"word{i % 3} and" for i in range(12)],
            "age": np.arange(12.0),
            "kind": ["a", "b"] * 6,
            "split": ["train"] * 8 + ["validation"] * 2 + ["test"] * 2,
        }
    )
    table.loc[11, "photo"] = None
    table.attrs["folder"] = str(folder)
    roles = {"image": "photo", "text": "words", "numeric": ["age"], "label": "kind", "split": "split"}
    return kf.data.load(table, **roles, image_size=8).splits["test"]


def test_without_a_feature_a_model_sees_it_as_missing(rows):
    x, _, _ = next(iter(kf.data.BatchedDataset(rows, 2).dataset()))
    names = ["image", "text", "numbers"]
    assert {f"{name}_present" for name in names} <= set(x)
    for name in names:
        without, _, _ = next(iter(kf.data.BatchedDataset(rows.without(name), 2).dataset()))
        assert not without[f"{name}_present"].numpy().any()
        for other in {*names} - {name}:
            np.testing.assert_array_equal(without[other], x[other])
    everything, _, _ = next(iter(kf.data.BatchedDataset(rows.without(*names), 2).dataset()))
    assert not any(everything[f"{name}_present"].numpy().any() for name in names)


def test_without_labels(rows):
    bare = rows.without_labels()
    assert rows.labels and not bare.labels and not bare.weights and len(bare) == len(rows)


def test_raw_inputs_are_bytes_strings_and_numbers(rows):
    raw = rows.raw_inputs()
    assert sorted(raw) == ["image_bytes", "numbers", "text"]
    assert raw["text"] == [b"word1 and", b"word2 and"] and raw["numbers"].tolist() == [[10.0], [11.0]]
    assert raw["image_bytes"][0].startswith(b"\x89PNG") and raw["image_bytes"][1] == b""
