"""Scenes with boxes: tables of expressions and questions, detections scored, objects as cells."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasfusion.data.shapes_world import Object, Scene

PATH = Path(__file__).parents[2] / "experiments" / "_grounding.py"
spec = importlib.util.spec_from_file_location("_grounding", PATH)
grounding = importlib.util.module_from_spec(spec)
spec.loader.exec_module(grounding)

SCENE = Scene((Object("circle", "red", "small", 0.25, 0.5), Object("square", "blue", "large", 0.7, 0.5)))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return grounding.draw_scenes(tmp_path_factory.mktemp("scenes"), {"train": 4, "test": 2})


def test_scenes_are_written_with_their_tables(scenes):
    assert scenes["split"].tolist() == ["train"] * 4 + ["test"] * 2
    with Image.open(scenes["image"][0]) as image:
        assert image.size == (64, 64)
    expressions, questions = grounding.expressions_of(scenes), grounding.questions_of(scenes, per_type=1)
    assert len(questions) == 24 and questions["place"].tolist() == sorted(questions["place"])
    row = expressions.iloc[0]
    assert row["image"] == scenes["image"][row["place"]]
    sides = [float(side) for side in row["box"].split(",")]
    boxes = grounding.true_objects(scenes)[row["place"], :, :4]
    assert np.abs(boxes - sides).max(axis=1).min() < 1e-4


def test_objects_are_boxes_with_classes_and_padding():
    objects = grounding.true_objects(pd.DataFrame({"scene": [SCENE]}))
    assert objects.shape == (1, 6, 5) and not objects[0, 2:].any()
    assert [grounding.CLASSES[int(number)] for number in objects[0, :2, 4]] == ["red circle", "blue square"]
    reach = 0.85 * 7 / 64
    np.testing.assert_allclose(objects[0, 0, :4], [0.25 - reach, 0.5 - reach, 0.25 + reach, 0.5 + reach], rtol=1e-6)
    cell = json.loads(grounding.as_cells(objects[0, :, :4], objects[0, :, 4]))
    assert [item["label"] for item in cell] == ["red circle", "blue square"]
    scored = json.loads(grounding.as_cells(objects[0, :2, :4], objects[0, :2, 4], np.array([0.2, 0.9])))
    assert [item["label"] for item in scored] == ["blue square"]


def test_detections_are_scored_by_class():
    objects = grounding.true_objects(pd.DataFrame({"scene": [SCENE, SCENE]}))
    found = {"boxes": objects[:, :2, :4], "classes": objects[:, :2, 4], "scores": np.full((2, 2), 0.9)}
    assert grounding.mean_average_precision(found, objects) == 1
    found["classes"] = found["classes"].copy()
    found["classes"][1, 1] = grounding.CLASSES.index("red circle")  # a square of one scene taken for a circle
    # Its own class has one of two left, and the other a wrong detection, whose score is no lower.
    assert 0.5 < grounding.mean_average_precision(found, objects) < 1


def test_the_relation_is_left_out_of_the_words():
    table = pd.DataFrame({"text": ["the red circle left of the small cross", "the large thing"]})
    assert grounding.relation_left_out(table)["text"].tolist() == ["the red circle", "the large thing"]


def test_guesses_are_boxes_of_the_scene(scenes):
    expressions = grounding.expressions_of(scenes)
    boxes = grounding.true_objects(scenes)
    for only_fitting in (False, True):
        found = grounding.guess(expressions, scenes, np.random.default_rng(0), only_fitting)
        for box, row in zip(found, expressions.itertuples(), strict=True):
            own = boxes[row.place, list(row.fits) if only_fitting else slice(None), :4]
            assert np.abs(own - box).max(axis=1).min() < 1e-6


def test_an_image_is_sent_at_twice_its_size(scenes):
    large = grounding.enlarged(Path(scenes["image"][0]).read_bytes())
    assert Image.open(io.BytesIO(large)).size == (128, 128)
