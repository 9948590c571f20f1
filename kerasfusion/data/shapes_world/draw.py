"""From a scene to its picture."""

import io
import math

import numpy as np
from PIL import Image

from kerasfusion.data.shapes_world.scene import RADIUS

PICTURE_SIZE = 64

RGB = {
    "red": (215, 35, 40),
    "green": (40, 155, 60),
    "blue": (35, 85, 215),
    "yellow": (245, 200, 25),
    "purple": (145, 50, 165),
    "gray": (110, 110, 110),
}

# Corners of a star, and its inner radius as a share of the outer one. A regular polygon is the star whose
# inner corners lie on the straight line between two outer ones: cos(pi / corners).
_STARS = {
    "square": (4, math.cos(math.pi / 4)),
    "triangle": (3, math.cos(math.pi / 3)),
    "star": (5, 0.42),
}
# A circle as wide as the other shapes looks larger than they do.
_CIRCLE_SHARE = 0.85


def draw(scene, rng):
    """Draws a scene with smooth edges on a light background.

    Background tint and a slight pixel noise are random, so no two pictures are equal.

    Args:
        scene: The `Scene`.
        rng: `np.random.Generator`.

    Returns:
        uint8 array of shape (64, 64, 3).

    Example:
    ```python
    rng = np.random.default_rng(0)
    picture = draw(sample_scene(rng), rng)
    ```
    """
    background = rng.uniform(225, 250) + rng.uniform(-5, 5, 3)
    picture = np.tile(background, (PICTURE_SIZE, PICTURE_SIZE, 1))
    for item in scene.objects:
        radius = RADIUS[item.size] * PICTURE_SIZE
        center_x, center_y = item.x * PICTURE_SIZE, item.y * PICTURE_SIZE
        # Only the pixels an object can reach: most of a picture is background.
        rows, columns = _reach(center_y, radius), _reach(center_x, radius)
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - center_y
        x = np.arange(columns.start, columns.stop)[None, :] + 0.5 - center_x
        # A pixel whose center lies half a pixel inside the edge is covered, one half a pixel outside is free.
        cover = np.clip(0.5 - _distance(item.shape, x, y, radius), 0, 1)[..., None]
        patch = picture[rows, columns]
        patch += cover * (np.array(RGB[item.color]) - patch)
    # The same for the three channels: it costs a third of the bytes once compressed.
    noise = rng.normal(0, 2, (PICTURE_SIZE, PICTURE_SIZE, 1))
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def encode_png(picture):
    """The PNG file of a picture, compressed lightly for speed.

    Args:
        picture: uint8 array of shape (height, width, 3).

    Returns:
        `bytes`.
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _reach(center, radius):
    return slice(max(0, math.floor(center - radius - 1)), min(PICTURE_SIZE, math.ceil(center + radius + 1)))


def _distance(shape, x, y, radius):
    """Signed distance in pixels to the shape's edge, negative inside; beyond a corner a little too small."""
    if shape == "circle":
        return np.hypot(x, y) - radius * _CIRCLE_SHARE
    corners, inner = _STARS[shape]
    sector = math.pi / corners
    # Angle from the upright, folded into the half sector from an outer corner (0) to an inner one (`sector`).
    turn = math.pi / 4 if shape == "square" else 0.0
    angle = np.arctan2(x, -y) + turn
    angle = np.abs((angle + sector) % (2 * sector) - sector)
    distance = np.hypot(x, y)
    along, aside = distance * np.cos(angle), distance * np.sin(angle)
    # The one edge of that half sector runs from (radius, 0) to the inner corner.
    edge = np.array([radius * inner * math.cos(sector) - radius, radius * inner * math.sin(sector)])
    normal = np.array([edge[1], -edge[0]]) / np.hypot(*edge)
    return (along - radius) * normal[0] + aside * normal[1]
