"""How the camera was held: the EXIF orientation of a JPEG, read and undone in TensorFlow, in a SavedModel too."""

import tensorflow as tf

from kerasfusion.bounds import MOST_SEGMENTS

_TAG, _SHORT = 0x0112, 3
# By orientation, from 0, which there is not: whether height and width change places, then top and bottom, then left
# and right.
_TURNS = ((0, 0, 0, 0, 0, 1, 1, 1, 1), (0, 0, 0, 1, 1, 0, 0, 1, 1), (0, 0, 1, 1, 0, 0, 1, 1, 0))


def exif_orientation(encoded):
    """The orientation that a JPEG's EXIF block states.

    Args:
        encoded: tf.string scalar.

    Returns:
        int32 scalar from 1 (upright, or nothing stated, or no JPEG) to 8, as EXIF numbers them; 0 where more than
        `MOST_SEGMENTS` segments would have to be searched for it.
    """
    tiff, is_searched = _tiff_block(encoded)
    orientation = tf.cond(tf.strings.length(tiff) >= 8, lambda: _read_orientation(tiff), lambda: 1)
    return tf.where(is_searched, orientation, 0)


def turn_upright(pixels, orientation):
    """Undo an EXIF orientation.

    Args:
        pixels: `(height, width, channels)` as stored.
        orientation: int32 scalar, 1 to 8.

    Returns:
        The pixels as they are to be seen; 5 to 8 exchange height and width.
    """
    transposed, upside_down, mirrored = tf.unstack(tf.gather(tf.constant(_TURNS), orientation, axis=1))
    pixels = tf.transpose(pixels, tf.stack([transposed, 1 - transposed, 2]))
    return tf.reverse(pixels, tf.where(tf.stack([upside_down, mirrored]) == 1)[:, 0])


def _tiff_block(encoded):
    """What follows `Exif` in its segment, a small TIFF file or nothing, and whether the search for it ended."""
    length = tf.strings.length(encoded)

    # A JPEG begins with segments: 0xFF, a kind, two bytes of length (its own two included), the content. EXIF is in
    # one of kind 0xE1 among the application's (0xE0 to 0xEF) and comments (0xFE), which come before all others.
    def step(start, _):
        head = tf.io.decode_raw(tf.strings.substr(encoded, start, 4), tf.uint16, little_endian=False)
        kind, size = tf.unstack(tf.cast(head, tf.int32), 2)
        is_exif = (kind == 0xFFE1) & (tf.strings.substr(encoded, start + 4, 6) == b"Exif\0\0")
        goes_on = ~is_exif & ((kind // 16 == 0xFFE) | (kind == 0xFFFE))
        block = tf.cond(is_exif, lambda: tf.strings.substr(encoded, start + 10, size - 8), lambda: b"")
        return tf.where(goes_on, start + 2 + tf.maximum(size, 2), length), block

    def goes_on(start, _):
        return start + 10 <= length

    start, block = tf.while_loop(goes_on, step, (2, tf.constant(b"")), maximum_iterations=MOST_SEGMENTS)
    return block, ~goes_on(start, block)


def _read_orientation(tiff):
    little = tf.strings.substr(tiff, 0, 2) == b"II"

    def numbers(start, length, kind):
        """Bytes as numbers, in the block's own byte order."""
        data = tf.strings.substr(tiff, start, length)
        small_first, large_first = (tf.io.decode_raw(data, kind, little_endian=end) for end in (True, False))
        return tf.cast(tf.where(little, small_first, large_first), tf.int32)

    # The entries of the first directory, 12 bytes each, behind its place (at byte 4) and their count.
    last = tf.strings.length(tiff) - 2
    start = tf.clip_by_value(numbers(4, 4, tf.int32)[0], 0, last)
    count = tf.minimum(numbers(start, 2, tf.uint16)[0], (last - start) // 12)
    tag, kind, _, _, value, _ = tf.unstack(tf.reshape(numbers(start + 2, 12 * count, tf.uint16), (-1, 6)), axis=1)
    orientation = tf.reduce_max(tf.where((tag == _TAG) & (kind == _SHORT), value, 1))
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)
