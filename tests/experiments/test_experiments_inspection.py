"""Boxes of the inspection tutorial: compared, mirrored with their images, and measurements with noise."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PATH = Path(__file__).parents[2] / "experiments" / "_inspection.py"
spec = importlib.util.spec_from_file_location("_inspection", PATH)
inspection = importlib.util.module_from_spec(spec)
spec.loader.exec_module(inspection)


def test_a_predicted_box_is_put_into_the_image_and_into_order():
    boxes = np.array([[-0.2, 0.75, 0.5, 0.25], [0.5, 0.25, 0.125, 1.5]])
    np.testing.assert_array_equal(inspection.tidy_boxes(boxes), [[0, 0.25, 0.5, 0.75], [0.125, 0.25, 0.5, 1]])


def test_mirrored_plates_have_mirrored_boxes_and_only_training_plates_are_mirrored(tmp_path):
    pixels = np.zeros((8, 8), "uint8")
    pixels[1:4, 2:3] = 255  # rows 1 to 3, column 2
    Image.fromarray(pixels).save(tmp_path / "plate.png")
    row = {"image": str(tmp_path / "plate.png"), "left": 0.25, "top": 0.125, "right": 0.375, "bottom": 0.5}
    table = pd.DataFrame([{**row, "split": "train"}, {**row, "split": "test"}])
    found = inspection.with_mirrored(table, tmp_path / "mirrored")
    assert found["split"].tolist() == ["train", "test", "train", "train"]
    assert found.loc[2, inspection.BOX].tolist() == [0.625, 0.125, 0.75, 0.5]
    assert found.loc[3, inspection.BOX].tolist() == [0.25, 0.5, 0.375, 0.875]
    for number in (2, 3):
        left, top, right, bottom = (int(8 * value) for value in found.loc[number, inspection.BOX])
        bright = np.asarray(Image.open(found.loc[number, "image"])) > 127
        assert bright[top:bottom, left:right].all() and bright.sum() == 3


def test_measurements_get_noise_in_units_of_the_training_split_and_empty_cells():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"gray_mean": rng.normal(0, 40, 4000), "gray_std": rng.normal(0, 2, 4000), "split": "train"})
    table.loc[2000:, "split"] = "test"
    table.loc[2000:, "gray_mean"] *= 10
    change = inspection.measure(table, noise=0.5, missing=0.2)[inspection.MEASURED] - table[inspection.MEASURED]
    np.testing.assert_allclose(change.isna().mean(), 0.2, atol=0.03)
    np.testing.assert_allclose(change.std(), [20, 1], rtol=0.05)


def test_drawn_boxes_enclose_all_defects(tmp_path):
    table = inspection.draw_plates(tmp_path, {"train": 9})
    for row in table.itertuples():
        pixels = np.asarray(Image.open(row.image), float)
        left, top, right, bottom = (round(64 * getattr(row, side)) for side in inspection.BOX)
        outside = np.ones_like(pixels, bool)
        outside[max(top - 2, 0) : bottom + 3, max(left - 2, 0) : right + 3] = False
        assert 0 <= left < right <= 64 and 0 <= top < bottom <= 64
        assert pixels[outside].std() < 14  # noise alone has 12
    assert table["label"].value_counts().to_dict() == {"scratches": 3, "spots": 3, "patches": 3}
