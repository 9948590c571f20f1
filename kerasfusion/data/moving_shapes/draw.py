"""From a moving scene to the frames of a video."""

import io

import numpy as np
from PIL import Image

from kerasfusion.data.shapes_world.draw import draw_scene, encode_png


def draw_video(scene, rng):
    """Draw every frame of a scene. The background's tint and its noise are random, and stay as they are over time.

    Args:
        scene: A `MovingScene`.
        rng: `np.random.Generator`.

    Returns:
        uint8 array `(frames, 64, 64, 3)`.

    Example:

    ```python
    rng = np.random.default_rng(0)
    frames = draw_video(sample_moving_scene(rng), rng)
    ```
    """
    seed = rng.integers(2**32)
    return np.stack([draw_scene(scene.at(frame), np.random.default_rng(seed)) for frame in range(scene.length)])


def encode_video(frames):
    """The frames as PNG files, which a column of videos takes as a cell.

    Args:
        frames: uint8 array `(frames, height, width, 3)`.

    Returns:
        list of bytes.
    """
    return [encode_png(frame) for frame in frames]


def encode_gif(frames, milliseconds=200):
    """The frames as one animated GIF, for a web page, a column of videos or a request.

    Args:
        frames: uint8 array `(frames, height, width, 3)`.
        milliseconds: int, how long each frame is shown. Defaults to 200.

    Returns:
        bytes. A GIF has 256 colors, so pixels differ a little.
    """
    first, *others = (Image.fromarray(frame).quantize(256) for frame in frames)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return file.getvalue()
