"""Corruptions in TensorFlow against NumPy, and areas under curves against literal ones."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter
from tables import color_table

import kerasfusion as kf
from kerasfusion.evaluation import robustness_curves, write_robustness_page
from kerasfusion.evaluation.corruption import drop
from kerasfusion.evaluation.corruptions import CORRUPTIONS
from kerasfusion.evaluation.features.image import add_noise, blur
from kerasfusion.evaluation.features.text import mask_words
from kerasfusion.evaluation.figures import robustness as draw
from kerasfusion.evaluation.robustness import _summary
from kerasfusion.schema import Feature

IMAGE = Feature("image", "image", ("photo",), size=(24, 16))
TEXT = Feature("text", "text", ("said",), length=50, vocabulary=tuple("abcdefgh"))
SEED = tf.constant([7, 100])


def images(rows=4):
    pixels = np.random.default_rng(0).integers(0, 256, (rows, 24, 16, 3)).astype("uint8")
    pixels[-1] = 0
    present = np.arange(rows) < rows - 1
    return {"image": tf.constant(pixels), "image_present": tf.constant(present)}


def test_rows_that_are_dropped_at_one_degree_are_at_all_above_it():
    x = {"text": tf.ones((4000, 50), tf.int32), "text_present": tf.ones(4000, bool)}
    before = np.ones(4000, bool)
    for degree in (0.0, 0.3, 0.8, 1.0):
        present = drop(x, [TEXT], degree, SEED)["text_present"].numpy()
        assert 1 - present.mean() == pytest.approx(degree, abs=0.03)
        assert not (present & ~before).any()
        before = present


def test_words_are_masked_and_nothing_else():
    ids = np.tile(np.array([2, 1, *range(4, 12), 3, *[0] * 39], "int32"), (500, 1))
    x = {"text": tf.constant(ids), "text_present": tf.ones(500, bool)}
    assert (mask_words(x, [TEXT], 0.0, SEED)["text"].numpy() == ids).all()
    some = mask_words(x, [TEXT], 0.4, SEED)["text"].numpy()
    assert (some[ids < 4] == ids[ids < 4]).all()
    assert ((some == ids) | (some == 1)).all()
    assert (some[ids >= 4] == 1).mean() == pytest.approx(0.4, abs=0.03)
    assert (mask_words(x, [TEXT], 1.0, SEED)["text"].numpy()[ids >= 4] == 1).all()


def test_noise_has_the_deviation_it_says():
    x = {
        "image": tf.fill((3, 64, 64, 3), tf.constant(128, tf.uint8)),
        "image_present": tf.constant([True, True, False]),
    }
    noisy = add_noise(x, [IMAGE], 0.2, SEED)["image"].numpy()
    assert noisy.dtype == np.uint8 and noisy[:2].std() == pytest.approx(0.2 * 128, rel=0.02)
    assert noisy[:2].mean() == pytest.approx(128, abs=1) and (noisy[2] == 0).all()
    again = add_noise(x, [IMAGE], 0.2, SEED)["image"].numpy()
    other = add_noise(x, [IMAGE], 0.2, SEED + 1)["image"].numpy()
    assert (again == noisy).all() and (other != noisy).any() and (noisy[0] != noisy[1]).any()


@pytest.mark.parametrize("degree", [0.3, 1.0])
def test_blur_is_a_gaussian(degree):
    x = images()
    found = blur(x, [IMAGE], degree, SEED)["image"].numpy()
    deviation = degree * 16 / 8
    for image, blurred in zip(x["image"].numpy()[:-1], found, strict=False):
        # Three deviations, as here; SciPy's "reflect" mirrors the edge as well.
        reach = int(np.ceil(3 * deviation))
        expected = gaussian_filter(
            image.astype(float), (deviation, deviation, 0), mode="reflect", radius=(reach, reach, 0)
        )
        np.testing.assert_allclose(blurred, expected, atol=0.51)
    assert (found[-1] == 0).all()
    assert (blur(x, [IMAGE], 0.0, SEED)["image"].numpy() == x["image"].numpy()).all()


def curves(metric="accuracy", **models):
    rows = [
        {"task": "label", "corruption": "text dropped", "degree": degree, "model": name, "metric": metric, "value": v}
        for name, values in models.items()
        for degree, v in zip((0.0, 0.5, 1.0), values, strict=True)
    ]
    return pd.DataFrame(rows)


def test_relative_and_effective_robustness():
    found = _summary(curves(fused=(0.9, 0.8, 0.3), text=(0.95, 0.9, 0.9), **{"late average": (0.8, 0.5, 0.4)}))
    assert found["model"].tolist() == ["fused", "text", "late average"]
    # (0.9 + 0.8) / 2 / 2 + (0.8 + 0.3) / 2 / 2, and so on.
    np.testing.assert_allclose(found["relative"], [0.7, 0.9125, 0.55])
    # The late average, moved to where each starts: (0.9, 0.6, 0.5) and (0.95, 0.65, 0.55).
    np.testing.assert_allclose(found["effective"], [0.7 - 0.65, 0.9125 - 0.7, 0], atol=1e-12)
    assert (found["reference"] == "late average").all()


def test_the_reference_without_a_late_average_and_without_any_other():
    found = _summary(curves(fused=(0.9, 0.9, 0.9), text=(0.5, 0.5, 0.1), image=(0.6, 0.6, 0.6)))
    assert (found["reference"] == "image").all()
    # Of an error the lowest is the best, and falling behind counts downwards.
    errors = _summary(curves("mae", fused=(1.0, 2.0, 3.0), text=(9.0, 9.0, 9.0), image=(2.0, 2.0, 2.0)))
    assert (errors["reference"] == "image").all()
    np.testing.assert_allclose(errors["effective"], [-1.0, 0.0, 0.0])
    alone = _summary(curves(fused=(0.9, 0.9, 0.8)))
    assert alone["reference"][0] is None and alone["effective"][0] is None


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame = color_table(folder, rows=60)
    frame.attrs.update(folder=str(folder))
    data = kf.data.load(frame, image="photo", text="description", label=["color", "shade"])
    return data.splits["train"]


@pytest.fixture(scope="module")
def found(examples):
    models = {"fused": kf.create_model("classifier_concat", examples.schema, image_encoder="small_cnn", units=4)}
    models["text only"] = kf.create_model("text_only", examples.schema.only("text"), units=4)
    return robustness_curves(models, examples, severities=(0, 0.5, 1)), models


def test_every_model_is_scored_at_every_degree(found, examples):
    found, _ = found
    names = [c.name for c in CORRUPTIONS if c.kind in ("text", "image")]
    assert found.curves["corruption"].unique().tolist() == names
    assert len(found.curves) == len(names) * 2 * 2 * 3 and (found.curves["n"] == len(examples)).all()
    table = found.curves.pivot_table(index=["task", "corruption", "model"], columns="degree", values="value")
    # Spoiled images are nothing to a model of texts, and all curves start at the clean score.
    unmoved = table.xs("text only", level="model").loc[(slice(None), ["image dropped", "pixels noised"]), :]
    assert (unmoved.nunique(axis=1) == 1).all()
    assert (table[0.0].groupby(["task", "model"]).nunique() == 1).all()
    assert set(found.summary["reference"]) == {"text only"}


def test_everything_dropped_is_what_the_pipeline_calls_missing(found, examples):
    found, models = found
    expected = kf.evaluation.evaluate_models(models, examples.without("image"))
    at_end = found.curves[(found.curves["corruption"] == "image dropped") & (found.curves["degree"] == 1)]
    for line in at_end.itertuples():
        assert line.value == pytest.approx(expected[line.task].scores[line.model].value, rel=1e-5)


def test_the_same_seed_gives_the_same_curves(found, examples):
    found, models = found
    noise = [corruption for corruption in CORRUPTIONS if corruption.name == "pixels noised"]
    again = robustness_curves(models, examples, severities=(0, 0.5, 1), corruptions=noise)
    same = found.curves[found.curves["corruption"] == "pixels noised"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.curves, same)


def test_a_page_and_a_image(found, examples, tmp_path):
    found, _ = found
    page = write_robustness_page(tmp_path / "page.html", found, examples.schema, "fused", "a <table>")
    text = page.read_text()
    assert text.count("<svg") == 10 and "a &lt;table&gt;" in text and "http" not in text
    assert "effective, against text only" in text and "mean absolute error of" in text
    draw(found.curves, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("severities", [(0.0,), (0.1, 1.0), (0.0, 0.5), (0.0, 0.5, 0.5, 1.0)])
def test_severities_rise_from_0_to_1(examples, severities):
    with pytest.raises(ValueError, match="rise from 0 to 1"):
        robustness_curves({}, examples, severities=severities)
