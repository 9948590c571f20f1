"""Images that come as arrays: a cell holds their pixels behind a header, and nothing is compressed or decoded."""

import io
import struct

import numpy as np
from PIL import Image

# No image format begins so.
MAGIC = b"\x93PIXELS\x01"
# Height, width, channels.
SHAPE = struct.Struct("<3i")
START = len(MAGIC) + SHAPE.size


def pack_pixels(pixels):
    """An array as the bytes of a cell.

    Args:
        pixels: uint8 `(H, W)` or `(H, W, C)`, of 1 or 3 channels.

    Returns:
        bytes
    """
    pixels = np.atleast_3d(pixels)
    return MAGIC + SHAPE.pack(*pixels.shape) + pixels.tobytes()


def packed_shape(cell):
    """`(height, width, channels)` of packed pixels; None for bytes of any other kind."""
    if not cell.startswith(MAGIC) or len(cell) < START:
        return None
    height, width, channels = SHAPE.unpack_from(cell, len(MAGIC))
    sound = height > 0 and width > 0 and channels in (1, 3) and len(cell) - START == height * width * channels
    return (height, width, channels) if sound else None


def as_encoded(cell):
    """Bytes that any reader of images takes: PNG of packed pixels, other bytes as they are."""
    shape = packed_shape(cell)
    if shape is None:
        return cell
    pixels = np.frombuffer(cell, np.uint8, offset=START).reshape(shape)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
