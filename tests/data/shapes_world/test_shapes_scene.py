import collections
import math

import numpy as np
import pytest

from kerasfusion.data.shapes_world.scene import COLORS, RADIUS, SHAPES, SIZES, Object, Scene, sample_scene

CIRCLE = Object("circle", "red", "small", 0.25, 0.5)
CROSS = Object("cross", "blue", "large", 0.75, 0.5)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(0)
    return [sample_scene(rng) for _ in range(2000)]


def example(**changes):
    scene = {"shape": [0, 3], "color": [0, 2], "size": [0, 1], "x": [0.25, 0.75], "y": [0.5, 0.5]} | changes
    return {"scene": {name: np.array(values) for name, values in scene.items() if values is not None}}


def test_objects_keep_apart_and_inside(scenes):
    for scene in scenes:
        for i, item in enumerate(scene.objects):
            radius = RADIUS[item.size]
            assert radius <= item.x <= 1 - radius
            assert radius <= item.y <= 1 - radius
            for other in scene.objects[:i]:
                assert math.dist((item.x, item.y), (other.x, other.y)) > radius + RADIUS[other.size]


def test_every_number_of_objects_is_common(scenes):
    numbers = collections.Counter(len(scene.objects) for scene in scenes)
    assert set(numbers) == {3, 4, 5, 6}
    assert min(numbers.values()) > 0.18 * len(scenes)


def test_no_two_objects_look_alike(scenes):
    for scene in scenes:
        assert len({(o.shape, o.color, o.size) for o in scene.objects}) == len(scene.objects)


@pytest.mark.parametrize("attribute, values", [("shape", SHAPES), ("color", COLORS), ("size", SIZES)])
def test_values_are_equally_frequent(scenes, attribute, values):
    found = collections.Counter(getattr(item, attribute) for scene in scenes for item in scene.objects)
    assert set(found) == set(values)
    for count in found.values():
        assert count / found.total() == pytest.approx(1 / len(values), rel=0.12)


def test_places_are_symmetric(scenes):
    for axis in ("x", "y"):
        assert np.mean([getattr(o, axis) for s in scenes for o in s.objects]) == pytest.approx(0.5, abs=0.01)


def test_the_seed_decides():
    assert sample_scene(np.random.default_rng(5)) == sample_scene(np.random.default_rng(5))
    assert sample_scene(np.random.default_rng(5)) != sample_scene(np.random.default_rng(6))


def test_key_ignores_order_and_a_pixel():
    key = Scene([CIRCLE, CROSS]).key()
    assert key == (("circle", "red", "small", 2, 4), ("cross", "blue", "large", 6, 4))
    assert Scene([CROSS, CIRCLE]).key() == key
    assert Scene([Object("circle", "red", "small", 0.26, 0.51), CROSS]).key() == key
    assert Scene([Object("circle", "red", "small", 0.4, 0.5), CROSS]).key() != key
    assert Scene([Object("circle", "red", "large", 0.25, 0.5), CROSS]).key() != key
    assert Scene([CIRCLE]).key() != key


def test_scene_from_example():
    assert Scene.from_example(example()) == Scene([CIRCLE, CROSS])


@pytest.mark.parametrize(
    "broken, message",
    [
        ({}, "lacks .*'shape', 'color', 'size', 'x', 'y'"),
        (example(color=None), r"lacks \['color'\]"),
        (example(x=[0.25]), "columns of one length"),
        (example(shape=[0, 4]), "shape must be 0 to 3, not 4"),
        (example(size=[-1, 0]), "size must be 0 to 1, not -1"),
        (example(color=["red", "blue"]), "color needs class numbers, not <U4"),
        (example(y=[0.5, 1.5]), "y must be between 0 and 1, not 1.5"),
    ],
)
def test_a_broken_example_is_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        Scene.from_example(broken)


def test_odd_objects_are_refused():
    with pytest.raises(ValueError, match=r"shape must be one of \('circle', .*\), not 'hexagon'"):
        Object("hexagon", "red", "small", 0.5, 0.5)
    with pytest.raises(ValueError, match="x must be between 0 and 1, not nan"):
        Object("circle", "red", "small", float("nan"), 0.5)
    with pytest.raises(TypeError, match="must hold Object, not str"):
        Scene(["circle"])
