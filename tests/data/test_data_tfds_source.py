import importlib.util

import numpy as np
import pytest
import tensorflow_datasets as tfds
from png import png_bytes

import kerasfusion as kf


@pytest.mark.parametrize("source", ["shapes:quick", "sort_of_clevr", "tfds:clevr"])
def test_without_tfds_the_extra_is_named(source, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"^{source} is read by .*pip install 'kerasfusion\[tfds\]'"):
        kf.data.load(source, image="image", text="text", label="label")


class CocoAlike(tfds.core.GeneratorBasedBuilder):
    """`coco_captions` in features and splits, with three images in each; TFDS calls it `coco_alike`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        captions = tfds.features.Sequence({"id": np.int64, "text": tfds.features.Text()})
        features = {
            "captions": captions,
            "image": tfds.features.Image(encoding_format="png"),
            "image/filename": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "val", "test", "restval", "unlabeled")}

    def _generate_examples(self, split):
        for number in range(3):
            captions = [{"id": place, "text": f"{split} {number} said {place}"} for place in range(1 + number)]
            image = f"{split}_{number}"
            pixels = png_bytes(sum(image.encode()) + 1000 * number)
            yield image, {"captions": captions, "image": pixels, "image/filename": image}


def test_a_captioned_set_of_tfds(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASFUSION_DATA", str(tmp_path))
    data = kf.data.load(
        "tfds:coco_alike", image="image", label="captions/text", problem_type="captioning", image_size=16
    )
    (task,) = data.schema.tasks
    assert (task.type, task.column) == ("captioning", "text")
    # One row for each caption: 1 + 2 + 3 of them in a split, and restval is for training.
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 12, "validation": 6, "test": 6}
    said = {"val 0 said 0", "val 1 said 0", "val 1 said 1", "val 2 said 0", "val 2 said 1", "val 2 said 2"}
    assert set(data.splits["validation"].frame["text"]) == said
    assert [len(set(split.arrays["image"])) for split in data.splits.values()] == [6, 3, 3]
    assert data.notes[0] == "Not read from tfds:coco_alike: the split(s) unlabeled."
