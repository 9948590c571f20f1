"""Scenes of Sort-of-CLEVR, how they are drawn by chance, and their images."""

from typing import NamedTuple

import numpy as np

IMAGE_SIZE = 75
RADIUS = 5  # of a circle, and half a square's side: objects are 11 pixels wide
SHAPES = ("circle", "square")
RGB = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
COLORS = tuple(RGB)
BACKGROUND = 255

MIDDLE = IMAGE_SIZE // 2
# Every object is wholly in the image. None is centered on the middle line, which is neither left nor right.
CENTERS = np.setdiff1d(np.arange(RADIUS, IMAGE_SIZE - RADIUS), [MIDDLE])

# Layouts drawn at a time. Not by the number asked for, so that the first scenes are the same for any number.
_BLOCK = 16384

_OFFSETS = np.arange(-RADIUS, RADIUS + 1)
_COVERED = {
    "circle": np.hypot(_OFFSETS[:, None], _OFFSETS[None, :]) < RADIUS + 0.5,
    "square": np.ones((len(_OFFSETS), len(_OFFSETS)), bool),
}


class Scene(NamedTuple):
    """Six objects, one of each color, in the order of `COLORS`.

    Args:
        shapes: Tuple of 6 out of `SHAPES`.
        places: int array `(6, 2)`, the column and row of each object's center in pixels.
    """

    shapes: tuple
    places: np.ndarray


def sample_scenes(rng, count):
    """Draws scenes by chance.

    Each object is a circle or a square at random. Places are drawn anew until no two objects touch, and until every
    object has one closest and one furthest other: no question has two answers. The paper says nothing of ties.

    Args:
        rng: `np.random.Generator`.
        count: Number of scenes.

    Returns:
        List of `Scene`. No two have the same shapes at the same places, to an eighth of the image: the same objects
        a few pixels further are hardly a new scene for another split. A larger `count` adds scenes behind these.

    Example:
    ```python
    first, second = sample_scenes(np.random.default_rng(0), 2)
    ```
    """
    shapes, places = np.zeros((0, 6), int), np.zeros((0, 6, 2), int)
    while len(places) < count:
        drawn = rng.choice(CENTERS, (_BLOCK, len(COLORS), 2))
        drawn = drawn[_is_clear(drawn)]
        places = np.concatenate([places, drawn])
        shapes = np.concatenate([shapes, rng.integers(len(SHAPES), size=drawn.shape[:2])])
        keys = np.concatenate([places.reshape(len(places), -1) * 8 // IMAGE_SIZE, shapes], axis=1)
        first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
        shapes, places = shapes[first], places[first]
    return [
        Scene(tuple(SHAPES[i] for i in row), place) for row, place in zip(shapes[:count], places[:count], strict=True)
    ]


def _is_clear(places):
    """For places `(n, 6, 2)`: whether no objects touch and no distances tie, bool `(n,)`."""
    offsets = places[:, :, None] - places[:, None]
    touching = np.abs(offsets).max(axis=-1) <= 2 * RADIUS + 1
    distances = np.sort((offsets**2).sum(axis=-1), axis=-1)  # the first is each object's to itself
    tied = (distances[:, :, 1] == distances[:, :, 2]) | (distances[:, :, -1] == distances[:, :, -2])
    return (touching.sum(axis=(1, 2)) == len(COLORS)) & ~tied.any(axis=1)


def draw_scene(scene):
    """The image of a scene.

    Args:
        scene: The `Scene`.

    Returns:
        uint8 array of shape (75, 75, 3).

    Example:
    ```python
    image = draw_scene(sample_scenes(np.random.default_rng(0), 1)[0])
    ```
    """
    image = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), BACKGROUND, np.uint8)
    for color, shape, (column, row) in zip(COLORS, scene.shapes, scene.places, strict=True):
        patch = image[row - RADIUS : row + RADIUS + 1, column - RADIUS : column + RADIUS + 1]
        patch[_COVERED[shape]] = RGB[color]
    return image
