import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kerasfusion as kf
from kerasfusion.data.profile import profile_splits


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve rows, three to an image, with a gap, a repeat and a contradiction; see the expectations below."""
    folder = tmp_path_factory.mktemp("profile")
    for shade, (name, size) in enumerate({"a": (10, 8), "b": (10, 8), "c": (40, 30), "d": (20, 20)}.items()):
        Image.fromarray(np.full((*size, 3), shade, np.uint8)).save(folder / f"{name}.png")
    frame = pd.DataFrame(
        {
            "photo": [f"{name}.png" for name in "aaabbbccc"] + ["d.png", "d.png", None],
            "said": ["one two", "one two", "one"] + ["two", "two three four", "one"] * 2 + ["new", "new", "one five"],
            "age": [1.0, 1, 3, 4, np.nan, 6, 7, 8, 9, 1, 1, 2],
            "kind": ["x", "y", "x", "y", "x", "x", "y", "y", "y", "x", "x", "y"],
            "split": ["train"] * 6 + ["validation"] * 3 + ["test"] * 3,
        }
    )
    frame.attrs["folder"] = str(folder)
    return kf.data.load(
        frame,
        image="photo",
        text="said",
        numeric="age",
        label="kind",
        split="split",
        sequence_length=2,
        image_size=16,
    )


@pytest.fixture(scope="module")
def profile(data):
    return profile_splits(data.splits, data.image_sizes)


def test_rows_and_labels(profile):
    assert profile["rows"] == {"train": 6, "validation": 3, "test": 3}
    labels = profile["labels"]["label"]
    assert labels["classes"] == ["x", "y"]
    assert labels["counts"] == {"train": [4, 2], "validation": [0, 3], "test": [2, 1]}


def test_texts(profile):
    text = profile["text"]["text"]
    assert text["edges"] == [0.5, 1.5, 2.5, 3.5]
    assert text["counts"] == {"train": [3, 2, 1], "validation": [2, 0, 1], "test": [2, 1, 0]}
    assert text["range"]["train"] == {"smallest": 1, "median": 1.5, "mean": 10 / 6, "largest": 3, "missing": 0}
    assert text["cut"] == {"train": 1, "validation": 1, "test": 0}
    # Four words of the test split, of which new, new and five are in no training text.
    assert text["unknown"] == {"train": 0, "validation": 0, "test": 0.75}


def test_images(profile):
    image = profile["image"]["image"]
    assert image["size"] == [16, 16]
    assert image["images"] == {"train": 2, "validation": 1, "test": 1}
    assert image["rows_per_image"]["train"]["mean"] == 3 and image["rows_per_image"]["test"]["mean"] == 2
    assert image["distinct_sizes"] == 3 and image["sizes"] == [[10, 8, 2], [20, 20, 1], [40, 30, 1]]
    assert (image["height"]["smallest"], image["height"]["largest"], image["width"]["largest"]) == (10, 40, 30)


def test_numbers_and_gaps(profile):
    assert profile["numeric"]["age"]["train"] == {
        "smallest": 1,
        "median": 3,
        "mean": 3,
        "largest": 6,
        "missing": 1,
    }
    assert profile["missing"] == {
        "text": {"train": 0, "validation": 0, "test": 0},
        "image": {"train": 0, "validation": 0, "test": 1},
        "numbers": {"train": 1, "validation": 0, "test": 0},
    }


def test_repeats_and_contradictions(profile):
    # The first two rows are alike and disagree; the two of image d are alike and agree.
    assert profile["repeats"] == {"rows": 2, "other_label": {"label": 2}}


def test_tags_and_numbers_as_labels():
    frame = pd.DataFrame(
        {
            "said": [f"word{i} again" for i in range(20)],
            "tags": [["a", "b"], ["a"], [], ["b"]] * 5,
            "price": [float(i) for i in range(20)],
            "split": ["train"] * 12 + ["validation"] * 4 + ["test"] * 4,
        }
    )
    data = kf.data.load(frame, image=[], text="said", label=["tags", "price"], split="split")
    labels = profile_splits(data.splits)["labels"]
    assert labels["tags"]["counts"] == {"train": [6, 6], "validation": [2, 2], "test": [2, 2]}
    assert labels["tags"]["untagged"] == {"train": 3, "validation": 1, "test": 1}
    price = labels["price"]
    # Twenty whole numbers in bins of two.
    assert price["edges"] == [-0.5, 1.5, 3.5, 5.5, 7.5, 9.5, 11.5, 13.5, 15.5, 17.5, 19.5]
    assert price["counts"]["train"] == [2] * 6 + [0] * 4
    assert price["range"]["test"]["median"] == 17.5


def test_sizes_are_left_out_where_they_are_not_known(data):
    assert "sizes" not in profile_splits({"test": data.splits["test"]})["image"]["image"]
