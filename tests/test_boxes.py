"""Columns of boxes, from a table to a served answer."""

import io
import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.data import BatchedDataset, DataError
from kerasfusion.evaluation.features.boxes import jitter, leave_out
from kerasfusion.serving.metadata import read_metadata

ROWS = 30


def encoded(pixels, **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", **settings)
    return file.getvalue()


# 40 pixels wide and 20 high.
PHOTOS = [encoded(np.random.default_rng(i).integers(0, 256, (20, 40, 3)).astype("uint8")) for i in range(ROWS)]
PHOTO = PHOTOS[0]


def table(cells, **columns):
    cells = (cells * ROWS)[:ROWS]
    return pd.DataFrame({"label": ["a", "b"] * (ROWS // 2), "photo": PHOTOS, "where": cells} | columns)


def load(frame, **settings):
    settings = {"image": "photo", "text": [], "boxes": "where", "label": "label", "image_size": 8, **settings}
    return kf.data.load(frame, **settings)


def rows_of(data, cells, **columns):
    frame = pd.DataFrame({"photo": [PHOTO] * len(cells), "where": cells, **columns})
    return kf.data.load_rows(frame, data.schema, with_labels=False)


def test_boxes_in_pixels_become_fractions_of_the_image_as_it_is_shown():
    data = load(table([[[0, 0, 20, 10], [10, 5, 40, 20]], "[[4, 2, 8, 4]]", None]))
    feature = data.schema["boxes"]
    assert (feature.length, feature.units, feature.image, feature.input_shape) == (2, "pixels", "image", (2, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    # Stored as 20 x 40 lying on its side, shown as 40 x 20.
    turned = encoded(np.zeros((40, 20, 3), "uint8"), exif=exif.tobytes())
    examples, skipped = rows_of(
        data,
        [[[10, 5, 30, 15]], {"box": [4.0, 2, 8, 4]}, "[4, 2, 8, 4]", "[]", "", [[10, 5, 30, 15]]],
        photo=[PHOTO, PHOTO, turned, PHOTO, PHOTO, None],
    )
    small = [0.1, 0.1, 0.2, 0.2]
    expected = np.zeros((6, 2, 4))
    expected[0, 0], expected[1, 0], expected[2, 0] = [0.25, 0.25, 0.75, 0.75], small, small
    np.testing.assert_allclose(examples.arrays["boxes"], expected, rtol=1e-6)
    assert examples.present["boxes"].tolist() == [True, True, True, False, False, False]
    assert skipped.counts == {"boxes in pixels of an image that is not there: taken as missing": 1}
    x = next(iter(BatchedDataset(examples.without("boxes"), 6).dataset()))
    assert not x["boxes"].numpy().any() and not x["boxes_present"].numpy().any()


def test_boxes_that_do_not_fit_are_clipped_or_left_out_and_counted():
    data = load(table([[[0.1, 0.1, 0.5, 0.5]], [[0.5, 0.5, 1, 1]]]))
    assert data.schema["boxes"].units == "fractions"
    nan = float("nan")
    cells = [[[-0.5, 0.5, 0.5, 3]], [[0.5, 0.1, 0.4, 0.2]], [[nan, 0, 1, 1]], "[[0, 0, NaN, 1]]", [[2, 2, 3, 3]]]
    cells += [[[0.1, 0.1, 0.2, 0.2], [0.1, 0.1, 0.9, 0.9]]]
    examples, skipped = rows_of(data, cells)
    np.testing.assert_allclose(examples.arrays["boxes"][0, 0], [0, 0.5, 0.5, 1])
    assert examples.present["boxes"].tolist() == [True, False, False, False, False, True]
    # One place alone: the larger box takes it.
    np.testing.assert_allclose(examples.arrays["boxes"][5], [[0.1, 0.1, 0.9, 0.9]], rtol=1e-6)
    assert sorted(skipped.counts.values()) == [1, 1, 1, 3]
    assert "row 2, column 'where'" in str(skipped) and "clipped: row 1" in str(skipped)
    again = load(table([[[0.1, 0.1, 0.5, 0.5]], [[0.5, 0.5, 1.2, 1]]]))
    assert "Column 'where', 15 row(s): a box that reaches over the edge" in " ".join(again.notes)


def test_categories_and_scores_choose_the_boxes():
    cup, jug = ({"box": [0, 0, 0.5, 0.5], "label": name, "score": s} for name, s in (("cup", 0.9), ("jug", 0.8)))
    data = load(table([[cup, jug], json.dumps([cup])]), boxes_per_image=1)
    feature = data.schema["boxes"]
    assert feature.category_names == [("[MISSING]", "[UNKNOWN]", "cup", "jug")] and feature.input_shape == (1, 5)
    large = {"box": [0, 0, 1, 1], "score": 0.1}
    examples, skipped = rows_of(data, [[large, jug], [large], [{**cup, "label": "pan"}]])
    assert examples.arrays["boxes"][:, 0, 4].tolist() == [3, 0, 1]
    assert list(skipped.counts) == [
        "more boxes than the model takes: those of the lowest score, else the smallest, are left out"
    ]
    (setting,) = (setting for setting in data.settings if setting.name == "boxes (where)")
    assert setting.value == "1 per row" and "of rows have more" in setting.reason


@pytest.mark.parametrize(
    "cells, settings, message",
    [
        ([[[0, 0, 1]]], {}, "row 1, column 'where': a box that is not four numbers"),
        (["here"], {}, "row 1, column 'where': no list"),
        (["[[0, 0"], {}, "neither JSON nor Python"),
        ([[["a", 0, 1, 1]]], {}, "not of numbers"),
        ([7.0], {}, "a float is no list of boxes"),
        ([[{"bbox": [0, 0, 1, 1]}]], {}, r"a box with the keys \['bbox'\]"),
        ([None], {}, "every cell is empty"),
        ([[[0.5, 0.5, 0.1, 0.2]]], {}, "row .*30 of 30|of .* boxes have no finite numbers.*COCO"),
        ([[[0, 0, 9, 9]]], {"image": [], "text": "label2"}, "no image column to tell of how many"),
        ([[[0, 0, 1, 1]]], {"box_image": "other"}, "'other' is no image column"),
        ([[[0, 0, 1, 1]]], {"box_units": "inches"}, "box_units must be 'pixels' or 'fractions'"),
        ([[[0, 0, 1, 1]]], {"image": ["photo", "photo2"]}, "in which image do the boxes"),
        ([[[0, 0, 1, 1]]], {"boxes_per_image": 0}, "boxes_per_image must be a whole number from 1"),
    ],
)
def test_bad_boxes_are_refused(cells, settings, message):
    with pytest.raises(DataError, match=message):
        load(table(cells, label2="x y", photo2=PHOTOS), **settings)


def test_augmentation_moves_no_image_that_has_boxes():
    data = load(table([[[0.1, 0.1, 0.5, 0.5]]]))
    augmentation, reason = kf.data.choose_augmentation(data.splits["train"], "strong")
    assert not augmentation.move and "the boxes (where) would not move with it" in reason
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")
    still = kf.preprocessing.Augmentation("strong", color=False, move=False)
    moved = kf.preprocessing.augment_images(pixels, tf.random.uniform((3, 8), seed=1), still)
    np.testing.assert_array_equal(moved, pixels)


def test_region_pooling_averages_what_a_box_covers():
    grid = np.zeros((1, 4, 4, 1), "float32")
    grid[0, :, :, 0] = np.arange(4)  # the column's number
    boxes = np.array([[[0, 0, 0.5, 1], [0.25, 0.25, 0.5, 0.5], [0, 0, 0.1, 0.1], [0.75, 0, 1, 1]]], "float32")
    found = np.array(kf.layers.RegionPooling(samples=1)(grid, boxes))[0, :, 0]
    # A box's middle, in cells whose centers are at 0.5, 1.5, …; the outermost value beyond them.
    np.testing.assert_allclose(found, [0.5, 1.0, 0.0, 3.0], atol=1e-6)
    whole = np.random.default_rng(0).normal(size=(2, 3, 5, 2)).astype("float32")
    box = np.array([[[0.1, 0.2, 0.8, 0.9]]] * 2, "float32")
    expected = np.zeros((2, 2))
    for i in range(4):
        for j in range(4):
            x, y = (0.1 + (j + 0.5) / 4 * 0.7) * 5 - 0.5, (0.2 + (i + 0.5) / 4 * 0.7) * 3 - 0.5
            x, y = np.clip(x, 0, 4), np.clip(y, 0, 2)
            left, top = min(int(x), 3), min(int(y), 1)
            a, b = x - left, y - top
            above = (1 - a) * whole[:, top, left] + a * whole[:, top, left + 1]
            below = (1 - a) * whole[:, top + 1, left] + a * whole[:, top + 1, left + 1]
            expected += ((1 - b) * above + b * below) / 16
    np.testing.assert_allclose(kf.layers.RegionPooling()(whole, box)[:, 0], expected, atol=1e-5)
    with pytest.raises(ValueError, match="samples must be positive"):
        kf.layers.RegionPooling(0)


def test_the_encoder_masks_padding_and_takes_boxes_in_any_order():
    boxes = np.array([[[0, 0, 0.5, 0.5, 2], [0.2, 0.1, 0.9, 1, 1], [0] * 5]], "float32")
    grid = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32")
    layer = kf.encoders.BoxEncoder(6, categories=3)
    out = layer(boxes, grid=grid)
    assert np.array(out["mask"]).tolist() == [[True, True, False]] and not np.array(out["sequence"])[0, 2].any()
    places = np.array([[0.25, 0.25, 0.5, 0.5, 0.25], [0.55, 0.55, 0.7, 0.9, 0.63]])
    regions = np.array(layer.pool(grid, boxes[..., :4]))[0, :2] @ np.array(layer.regions.kernel)
    tokens = places @ np.array(layer.places.kernel) + regions
    tokens[0] += np.array(layer.embedding.embeddings)[2]
    np.testing.assert_allclose(np.array(out["sequence"])[0, :2], tokens, atol=1e-5)
    active = np.maximum(tokens, 0)
    np.testing.assert_allclose(np.array(out["pooled"])[0], active.max(axis=0) + active.sum(axis=0) / 3, atol=1e-5)
    turned = layer(boxes[:, [1, 2, 0]], grid=grid)
    np.testing.assert_allclose(turned["pooled"], out["pooled"], atol=1e-6)
    np.testing.assert_allclose(turned["sequence"][:, 0], out["sequence"][:, 1], atol=1e-6)
    # An image that is missing is not looked at, an unknown category adds nothing.
    alone = layer(boxes, grid=grid, grid_present=np.array([False]))
    np.testing.assert_array_equal(
        layer(boxes, grid=grid * np.nan, grid_present=np.array([False]))["pooled"], alone["pooled"]
    )
    assert np.abs(np.array(alone["sequence"] - out["sequence"])[0, :2]).max(axis=1).min() > 1e-3
    layer.embedding.embeddings.assign(layer.embedding.embeddings + 1.0)
    change = np.array(layer(boxes, grid=grid)["sequence"] - out["sequence"])[0]
    np.testing.assert_allclose(change[:2], [[1.0] * 6, [0.0] * 6], atol=1e-5)
    nothing = layer(np.zeros((1, 3, 5), "float32"), grid=grid)
    assert np.isfinite(nothing["pooled"]).all() and not np.array(nothing["mask"]).any()
    with pytest.raises(ValueError, match="was built with a grid"):
        layer(boxes)
    with pytest.raises(ValueError, match="boxes of 4 numbers for 3 categories"):
        kf.encoders.BoxEncoder(6, categories=3)(boxes[..., :4])
    again = kf.encoders.BoxEncoder.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_a_model_gives_the_encoder_its_image_and_saves(tmp_path):
    data = load(table([[[0.1, 0.1, 0.5, 0.5]], [[0.5, 0.5, 1, 1], [0, 0, 1, 1]]]))
    keras.utils.set_random_seed(0)
    model = kf.models.fusion_model(data.schema, units=8, fusion="token_transformer", image_encoder="residual_cnn")
    assert model.encoders["boxes"].regions.kernel.shape[1] == 8
    x = {k: v.numpy() for k, v in next(iter(BatchedDataset(data.splits["train"], 4).dataset()))[0].items()}
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x)["label"], model(x)["label"], rtol=1e-6)
    # The regions of a missing image must not matter, and alone the boxes are their coordinates.
    x["image_present"][:] = False
    before = np.array(model(x)["label"])
    np.testing.assert_array_equal(model({**x, "image": 255 - x["image"]})["label"], before)
    assert kf.create_model("boxes_only", data.schema).encoders["boxes"].regions is None
    assert kf.models.unimodal(model, data.schema, "boxes").encoders["boxes"].regions is None


@pytest.mark.slow
def test_the_rows_of_an_image_may_have_boxes_of_their_own():
    cells = [[[0.1 * (i % 5), 0.1, 0.9, 0.2 + 0.1 * (i % 7)]] for i in range(ROWS)]
    train = load(table(cells, photo=[PHOTOS[i // 3] for i in range(ROWS)])).splits["train"]
    model = kf.models.fusion_model(train.schema, units=8)
    batches = BatchedDataset(train, 100, image_major=True)
    entries = batches.entries[batches.order(0)[0][: len(batches.entries)]]
    together = np.array(kf.models.image_major(model)(next(iter(batches.dataset()))[0])["label"])
    one_by_one = np.array(model(next(iter(BatchedDataset(train, 100).dataset()))[0])["label"])
    np.testing.assert_allclose(together[entries >= 0], one_by_one[entries[entries >= 0]], atol=1e-6)


def test_a_grid_of_boxes_covers_the_image():
    boxes = kf.preprocessing.grid_boxes(2, 4)
    assert boxes.shape == (8, 4) and boxes[5].tolist() == [0.25, 0.5, 0.5, 1.0]
    np.testing.assert_allclose(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum(), 1.0)
    with pytest.raises(ValueError, match="must be positive"):
        kf.preprocessing.grid_boxes(0, 4)


def test_served_boxes_may_be_padded_with_zeros_or_nan():
    feature = kf.Feature("boxes", "boxes", ("b",), length=2, categories=(("cup",),))
    nan = float("nan")
    raw = [
        [[0, 0, 0.5, 2, 2], [nan] * 5],
        [[0.1, 0.1, 0.2, 0.2, 9], [0, 0, 1, 1, nan]],
        [[0] * 5, [0.5, 0, 0.5, 1, 2]],
    ]
    raw += [[[0, 0, float("inf"), 1, 2], [0, nan, 1, 1, 2]]]
    from kerasfusion.preprocessing.features.boxes import Boxes

    boxes, present = Boxes().read(feature, tf.constant(raw, tf.float32), None, None)
    assert present.numpy().tolist() == [True, True, False, False]
    np.testing.assert_allclose(boxes[0], [[0, 0, 0.5, 1, 2], [0] * 5])
    assert boxes[1, :, 4].numpy().tolist() == [1, 0] and not boxes.numpy()[2:].any()


def test_corruptions_move_boxes_and_leave_them_out():
    feature = kf.Feature("boxes", "boxes", ("b",), length=5)
    boxes = np.tile(np.array([0.4, 0.4, 0.6, 0.6], "float32"), (20, 5, 1))
    boxes[:, 4] = 0
    x = {"boxes": tf.constant(boxes), "boxes_present": tf.ones(20, tf.bool)}
    for apply in (jitter, leave_out):
        np.testing.assert_allclose(apply(x, [feature], 0.0, [1, 2])["boxes"], boxes, atol=1e-6)
    moved = jitter(x, [feature], 1.0, [1, 2])["boxes"].numpy()
    assert 0.05 < np.abs(moved - boxes).max() <= 0.1 + 1e-6 and not moved[:, 4].any()
    left = leave_out(x, [feature], 0.5, [1, 2])
    assert 0.3 < (left["boxes"].numpy()[:, :4, 2] > 0).mean() < 0.7
    gone = leave_out(x, [feature], 1.0, [1, 2])
    assert not gone["boxes_present"].numpy().any()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A run by the command line: two squares in an image, and the label is the color of the one in the box."""
    folder, random = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    colors, rows = {"red": (220, 30, 30), "blue": (30, 30, 220)}, []
    for i in range(240):
        names = list(random.permutation(list(colors)))
        pixels, boxes = np.full((24, 48, 3), 90, "uint8"), []
        for side, name in enumerate(names):
            left, top = 24 * side + random.integers(0, 12), random.integers(0, 12)
            pixels[top : top + 12, left : left + 12] = colors[name]
            boxes.append([int(left), int(top), int(left) + 12, int(top) + 12])
        Image.fromarray(pixels).save(folder / f"{i}.png")
        asked = int(random.integers(2))
        cell = json.dumps([{"box": boxes[asked], "label": random.choice(["mug", "cup"])}])
        rows.append({"photo": f"{i}.png", "region": cell if i % 12 else "", "color": names[asked]})
    pd.DataFrame(rows).to_csv(folder / "scenes.csv", index=False)
    arguments = ["--image", "photo", "--boxes", "region", "--label", "color", "--model", "mixed_gated"]
    arguments += ["--epochs", "12", "--learning-rate", "0.005", "--batch-size", "16", "--image-size", "24"]
    command = ["train", str(folder / "scenes.csv"), *arguments, "--output-dir", str(folder / "run")]
    done = CliRunner().invoke(cli.app, command, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.mark.slow
def test_a_column_of_boxes_is_learned_reported_and_served(scenes):
    folder, output = scenes
    assert "1 per row" in output and "pixels of image" in output
    scores = json.loads((folder / "run" / "metrics.json").read_text())["tasks"]["label"]["scores"]
    alone = max(scores["image only"]["value"], scores["boxes only"]["value"])
    assert scores["mixed_gated"]["value"] > alone + 0.1, scores
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Boxes: region" in page and 'alt="boxes of row' in page and "1 box: " in page
    run = kf.load(folder / "run")
    rows = pd.read_csv(folder / "scenes.csv", keep_default_na=False).head(14)
    rows.loc[1, "region"] = "[[-100, -100, -50, -50]]"
    rows.loc[2, "region"] = '[{"box": [0, 0, 24, 24], "label": "never seen"}]'
    (folder / "broken.png").write_bytes(b"no image")
    rows.loc[3, "photo"] = "broken.png"
    frame = rows.assign(photo=[str(folder / p) for p in rows["photo"]])
    expected = kf.workflows.predict(run, frame, image_dir=folder)
    examples, _ = kf.data.load_rows(frame, run.schema, image_dir=folder, with_labels=False)
    version = kf.export(run, folder / "served")
    assert kf.verify(version).ok
    assert read_metadata(version)["features"]["boxes"] == "boxes"
    assert read_metadata(version)["categories"] == {"boxes": ["[MISSING]", "[UNKNOWN]", "cup", "mug"]}
    with kf.serving.CApiSession(version) as session:
        inputs = {
            "image_bytes": [(folder / p).read_bytes() for p in rows["photo"]],
            "boxes": examples.raw_inputs()["boxes"],
        }
        answer = session.run("serving_default", inputs)
        gone = inputs["boxes"].copy()
        gone[5] = np.nan
        partly = session.run("serving_default", {**inputs, "boxes": gone})
    assert [label.decode() for label in answer["label"]] == expected["label"].tolist()
    others = np.arange(14) != 5
    np.testing.assert_array_equal(np.array(partly["label"])[others], np.array(answer["label"])[others])
    found = kf.robustness(run, output_dir=folder / "robustness", num_severities=2).curves
    assert {"boxes dropped", "boxes moved", "boxes left out"} <= set(found["corruption"])
