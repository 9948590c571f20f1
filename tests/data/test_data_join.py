"""Rows of several tables, one after the other."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import kerasfusion as kf
from kerasfusion.schema import Feature, Schema, Task

SCHEMA = Schema(
    (
        Feature("text", "text", ("said",), length=2, vocabulary=("a",)),
        Feature("image", "image", ("photo",), size=(8, 8)),
        Feature("numbers", "numeric", ("age",), length=1, mean=(0,), std=(1,)),
    ),
    (Task("label", "binary", "fits", ("no", "yes")),),
)


@dataclasses.dataclass
class Bank:
    """What is known of images before they are decoded."""

    keys: list
    size: tuple = (8, 8)

    def with_keys(self, keys):
        return Bank(keys, self.size)


def table(start, images, places):
    """Rows that count from `start`, with these places of the bank."""
    rows = np.arange(start, start + len(places))
    return kf.data.Examples(
        SCHEMA,
        pd.DataFrame({"row": rows}),
        {
            "image": np.array(places, "int32"),
            "text": np.stack([rows, rows], axis=1).astype("int32"),
            "numbers": rows[:, None].astype("float32"),
        },
        {"image": np.array(places) >= 0, "text": rows > 0, "numbers": rows % 2 == 0},
        {"image": images},
        {"label": (rows % 3).astype("float32")},
        {"label": np.full(len(rows), 0.5, "float32")},
    )


def test_parts_of_one_table_share_their_images():
    whole = table(0, Bank(["a", "b", "c"]), [0, 1, 2, -1])
    joined = kf.data.concatenate([whole.take([2, 3]), whole.take([0]), whole.take([2])])
    assert joined.banks["image"] is whole.banks["image"]
    assert joined.frame["row"].tolist() == [2, 3, 0, 2]
    assert joined.arrays["text"].tolist() == [[2, 2], [3, 3], [0, 0], [2, 2]]
    assert joined.arrays["numbers"].tolist() == [[2], [3], [0], [2]]
    assert joined.present["numbers"].tolist() == [True, False, True, True]
    assert joined.labels["label"].tolist() == [2, 0, 0, 2]
    assert joined.weights["label"].tolist() == [0.5] * 4
    assert joined.arrays["image"].tolist() == [2, -1, 0, 2]


def test_another_table_brings_its_images():
    first, second = table(0, Bank(["a", "b"]), [1, 0]), table(5, Bank(["c", "d", "e"], (8, 8)), [2, -1, 0])
    joined = kf.data.concatenate([first, second, first])
    assert joined.banks == {"image": Bank(["a", "b", "c", "d", "e", "a", "b"])}
    assert joined.arrays["image"].tolist() == [1, 0, 4, -1, 2, 6, 5]
    assert joined.arrays["image"].dtype == np.int32
    assert joined.frame["row"].tolist() == [0, 1, 5, 6, 7, 0, 1]


def test_what_cannot_be_joined():
    whole = table(0, None, [0])
    with pytest.raises(ValueError, match="rows of another schema"):
        kf.data.concatenate([whole, whole.with_features(SCHEMA.only("text"))])
    with pytest.raises(ValueError, match="some rows were read without label"):
        kf.data.concatenate([whole, dataclasses.replace(whole, labels={}, weights={})])
