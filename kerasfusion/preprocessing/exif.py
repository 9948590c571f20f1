"""Read and undo the EXIF orientation of a JPEG, as TensorFlow ops."""

import tensorflow as tf

from kerasfusion.bounds import MOST_SEGMENTS

_TAG, _SHORT = 0x0112, 3
# Per orientation (0 is unused): whether to transpose, to flip vertically, and to flip horizontally.
_TURNS = ((0, 0, 0, 0, 0, 1, 1, 1, 1), (0, 0, 0, 1, 1, 0, 0, 1, 1), (0, 0, 1, 1, 0, 0, 1, 1, 0))


def exif_orientation(encoded):
    """Read the EXIF orientation of a JPEG.

    Args:
        encoded: tf.string scalar.

    Returns:
        int32 scalar from 1 to 8, as numbered by EXIF; 1 if the image has no orientation or is not a JPEG; 0 if it has
        more than `MOST_SEGMENTS` segments to search.
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
        The upright image. Orientations 5 to 8 swap height and width.
    """
    transposed, upside_down, mirrored = tf.unstack(tf.gather(tf.constant(_TURNS), orientation, axis=1))
    pixels = tf.transpose(pixels, tf.stack([transposed, 1 - transposed, 2]))
    return tf.reverse(pixels, tf.where(tf.stack([upside_down, mirrored]) == 1)[:, 0])


def _tiff_block(encoded):
    """Return the TIFF data of the Exif segment (empty if there is none), and whether the search was completed."""
    length = tf.strings.length(encoded)

    # A JPEG starts with segments: 0xFF, a marker, two bytes of length (including themselves), the content. Exif is in
    # a segment 0xE1, among application segments (0xE0 to 0xEF) and comments (0xFE), which precede all others.
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
        """Decode numbers in the byte order of the TIFF data."""
        data = tf.strings.substr(tiff, start, length)
        small_first, large_first = (tf.io.decode_raw(data, kind, little_endian=end) for end in (True, False))
        return tf.cast(tf.where(little, small_first, large_first), tf.int32)

    # Byte 4 holds the offset of the first directory: a count, followed by entries of 12 bytes each.
    last = tf.strings.length(tiff) - 2
    start = tf.clip_by_value(numbers(4, 4, tf.int32)[0], 0, last)
    count = tf.minimum(numbers(start, 2, tf.uint16)[0], (last - start) // 12)
    tag, kind, _, _, value, _ = tf.unstack(tf.reshape(numbers(start + 2, 12 * count, tf.uint16), (-1, 6)), axis=1)
    orientation = tf.reduce_max(tf.where((tag == _TAG) & (kind == _SHORT), value, 1))
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)
