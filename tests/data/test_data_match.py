"""Tables of images and their texts, where what goes together is the label."""

import numpy as np
import pandas as pd
import pytest
from png import png_bytes

from kerasfusion.data import DataError, load


def table(images=12, captions=2):
    rows = [{"photo": png_bytes(p), "caption": f"image {p} said {c}"} for p in range(images) for c in range(captions)]
    return pd.DataFrame(rows)


def test_the_label_is_the_image():
    data = load(table(), image="photo", text="caption", problem_type="retrieval")
    (task,) = data.schema.tasks
    assert (task.name, task.type, task.column) == ("match", "retrieval", "photo")
    seen = []
    for split in data.splits.values():
        numbers = split.labels["match"]
        assert numbers.dtype == "int32" and (split.weights["match"] == 1).all()
        said = split.frame["caption"].str.extract(r"image (\d+)")[0].to_numpy()
        assert len(np.unique(numbers)) == len(np.unique(said)) == len(numbers) // 2
        assert all(len(np.unique(said[numbers == n])) == 1 for n in numbers)
        seen += list(np.unique(numbers))
    assert len(seen) == len(set(seen)) == 12  # no image is in two splits


def test_rows_without_both_are_counted():
    frame = table()
    frame.loc[3, "caption"] = " "
    frame.loc[4, "photo"] = None
    frame.loc[6, "caption"] = "?!"  # no word in it
    data = load(frame, image="photo", text="caption", problem_type="retrieval")
    assert data.skipped.counts == {"no image to match": 1, "no text to match": 1}
    assert data.skipped.examples["no text to match"][0][:2] == (4, "caption")
    assert sum(len(split) for split in data.splits.values()) == 22
    assert sum((split.weights["match"] == 0).sum() for split in data.splits.values()) == 1


def test_what_cannot_be_matched_is_refused():
    frame = table().assign(other="more words here", kind="cat")
    with pytest.raises(DataError, match=r"no label is used; \['kind'\] was named"):
        load(frame, image="photo", text="caption", label="kind", problem_type="retrieval")
    with pytest.raises(
        DataError, match=r"one image column and one text column, not \['photo'\] and \['caption', 'other'\]"
    ):
        load(frame, image="photo", text=["caption", "other"], problem_type="retrieval")
    with pytest.raises(DataError, match="no row has both an image and a text"):
        load(frame.assign(caption=""), image="photo", text="caption", problem_type="retrieval")
