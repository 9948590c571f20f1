"""Encoded images made on the spot."""

import io

import numpy as np
from PIL import Image


def png_bytes(seed, size=(16, 16)):
    """A PNG of random colors."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
