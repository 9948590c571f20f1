"""Referring expressions mean one object, and its box encloses what is drawn."""

import numpy as np
import pytest

from kerasfusion.data.shapes_world import COLORS, SHAPES, Object, Scene, bounding_box, draw_scene, refer, sample_scene

# Relation -> whether the first object is on that side of the second for sure, and whether it may be.
SIDES = {
    "left of": lambda a, b: b.x - a.x,
    "right of": lambda a, b: a.x - b.x,
    "above": lambda a, b: b.y - a.y,
    "below": lambda a, b: a.y - b.y,
}
CLEAR = 10 / 64


def fits(item, words):
    said = set(words.removeprefix("the ").split()) - {"thing"}
    return said <= {item.size, item.color, item.shape}


def scenes(count=40):
    rng = np.random.default_rng(3)
    for _ in range(count):
        scene = sample_scene(rng)
        yield scene, refer(scene, rng)


def test_an_expression_of_attributes_fits_one_object():
    seen = 0
    for scene, expressions in scenes():
        for text, target, kind, alike in expressions:
            if kind == "attributes":
                assert [i for i, item in enumerate(scene.objects) if fits(item, text)] == [target] == list(alike)
                seen += 1
    assert seen > 60


def test_a_relation_is_needed_and_means_one_object_without_doubt():
    seen = 0
    for scene, expressions in scenes():
        objects = scene.objects
        for text, target, kind, alike in expressions:
            if kind == "attributes":
                continue
            where = next(name for name in SIDES if f" {name} " in text)
            said, other = text.split(f" {where} ")
            assert [i for i, item in enumerate(objects) if fits(item, said)] == list(alike) and len(alike) > 1
            (reference,) = (item for item in objects if fits(item, other))
            distances = {i: SIDES[where](objects[i], reference) for i in alike if objects[i] is not reference}
            assert distances.pop(target) >= CLEAR
            assert distances and max(distances.values()) <= -CLEAR
            seen += 1
    assert seen > 30


def test_expressions_of_a_scene_are_different_and_not_more_than_asked_for():
    for _, expressions in scenes(10):
        assert len({expression.text for expression in expressions}) == len(expressions) <= 6


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_encloses_what_is_drawn(shape):
    rng = np.random.default_rng(0)
    for size in ("small", "large"):
        item = Object(shape, COLORS[0], size, 0.4, 0.55)
        image = draw_scene(Scene((item,)), rng).astype(int)
        rows, columns = np.nonzero(np.abs(image - np.median(image, axis=(0, 1))).sum(axis=-1) > 60)
        drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(64 * np.array(bounding_box(item)), drawn, atol=1.3)
