"""One object with its place in words."""

import numpy as np

from kerasfusion.data.shapes_world import PLACES, Object, place_of, placed, sample_object
from kerasfusion.data.shapes_world.scene import RADIUS


def test_places_in_words():
    item = Object("circle", "red", "small", 0.2, 0.7)
    assert place_of(item) == "bottom left"
    assert placed(item) == "a small red circle at the bottom left"
    assert placed(item, with_place=False) == "a small red circle"
    assert [place_of(Object("cross", "blue", "large", x, y)) for y in (0.3, 0.7) for x in (0.3, 0.7)] == list(PLACES)


def test_objects_are_balanced_and_lie_inside_of_one_quarter():
    rng = np.random.default_rng(0)
    items = [sample_object(rng) for _ in range(2000)]
    for values in ([i.shape for i in items], [i.color for i in items], [i.size for i in items], map(place_of, items)):
        _, counts = np.unique(list(values), return_counts=True)
        assert counts.min() > 0.8 * counts.mean()
    margin = max(RADIUS.values())
    for axis in ("x", "y"):
        places = np.array([getattr(item, axis) for item in items])
        assert places.min() >= margin
        assert places.max() <= 1 - margin
        assert np.abs(places - 0.5).min() >= 2 / 64
        # Spread over all of its side, not gathered at one end.
        assert np.histogram(places[places < 0.5], 4, (margin, 0.5 - 2 / 64))[0].min() > 200
