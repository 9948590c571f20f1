"""From a scene to its image."""

import io
import math

import numpy as np
from PIL import Image

from kerasfusion.data.shapes_world.scene import RADIUS

IMAGE_SIZE = 64

RGB = {
    "red": (215, 35, 40),
    "green": (40, 155, 60),
    "blue": (35, 85, 215),
    "yellow": (245, 200, 25),
    "purple": (145, 50, 165),
    "gray": (110, 110, 110),
}

# A circle as wide as the other shapes looks larger than they do.
_CIRCLE_SHARE = 0.85


def draw_scene(scene, rng):
    """Draws a scene with smooth edges on a light background.

    Background tint and a slight pixel noise are random, so no two images are equal.

    Args:
        scene: The `Scene`.
        rng: `np.random.Generator`.

    Returns:
        uint8 array of shape (64, 64, 3).

    Example:
    ```python
    rng = np.random.default_rng(0)
    image = draw_scene(sample_scene(rng), rng)
    ```
    """
    background = rng.uniform(225, 250) + rng.uniform(-5, 5, 3)
    image = np.tile(background, (IMAGE_SIZE, IMAGE_SIZE, 1))
    for item in scene.objects:
        radius = RADIUS[item.size] * IMAGE_SIZE
        center_x, center_y = item.x * IMAGE_SIZE, item.y * IMAGE_SIZE
        # Only the pixels an object can reach: most of an image is background.
        rows, columns = _reach(center_y, radius), _reach(center_x, radius)
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - center_y
        x = np.arange(columns.start, columns.stop)[None, :] + 0.5 - center_x
        # A pixel whose center lies half a pixel inside the edge is covered, one half a pixel outside is free.
        cover = np.clip(0.5 - _distance(item.shape, x, y, radius), 0, 1)[..., None]
        patch = image[rows, columns]
        patch += cover * (np.array(RGB[item.color]) - patch)
    # The same for the three channels: the files are half as large as with a noise of its own for each.
    noise = rng.normal(0, 2, (IMAGE_SIZE, IMAGE_SIZE, 1))
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def encode_png(image):
    """The PNG file of an image, compressed lightly for speed.

    Args:
        image: uint8 array of shape (height, width, 3).

    Returns:
        `bytes`.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _reach(center, radius):
    return slice(max(0, math.floor(center - radius - 1)), min(IMAGE_SIZE, math.ceil(center + radius + 1)))


def _distance(shape, x, y, radius):
    """Signed distance in pixels to the shape's edge, negative inside; beyond a corner a little too small."""
    if shape == "circle":
        return np.hypot(x, y) - radius * _CIRCLE_SHARE
    across, down = np.abs(x), np.abs(y)
    if shape == "square":
        return np.maximum(across, down) - radius * math.sqrt(0.5)
    if shape == "triangle":
        return np.maximum(y, across * math.sqrt(0.75) - y / 2) - radius / 2
    # A cross is two bars, given by half their length and half their width.
    length, width = radius * 0.92, radius * 0.32
    return np.minimum(
        np.maximum(across - length, down - width),
        np.maximum(across - width, down - length),
    )
