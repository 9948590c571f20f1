"""The first frame of a GIF, cut out before it is decoded: TensorFlow's decoder unpacks every frame, however large."""

import tensorflow as tf

_EXTENSION, _IMAGE = 0x21, 0x2C


def first_frame(encoded):
    """A GIF without what follows its first frame.

    Args:
        encoded: tf.string scalar, a GIF.

    Returns:
        tuple: tf.string scalar, the GIF up to the end of the first frame (of no use where the file is broken), and
        its height and width in pixels, int64: the screen's or the frame's, whichever reaches further.
    """
    length = tf.strings.length(encoded)
    # Zeros behind the end stop every walk that leaves the file.
    data = tf.concat([tf.io.decode_raw(encoded, tf.uint8), tf.zeros(16, tf.uint8)], axis=0)

    def some(place, count):
        found = tf.gather(data, tf.minimum(place, length) + tf.range(count))
        return tf.unstack(tf.cast(found, tf.int32), count)

    def byte(place):
        return tf.cast(tf.gather(data, tf.minimum(place, length)), tf.int32)

    def behind_colors(place, flags):
        """The place behind a table of colors, if the flags say that there is one."""
        return place + tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    def behind_blocks(place):
        """The place behind a chain of blocks, each led by its size, that ends in an empty one."""
        return 1 + tf.while_loop(lambda p: byte(p) > 0, lambda p: (p + 1 + byte(p),), (place,))[0]

    def behind_extensions(place):
        return tf.while_loop(lambda p: byte(p) == _EXTENSION, lambda p: (behind_blocks(p + 2),), (place,))[0]

    screen = some(6, 5)
    start = behind_extensions(behind_colors(13, screen[4]))
    kind, *box, flags = some(start, 10)
    end = tf.cond(
        kind == _IMAGE, lambda: behind_blocks(behind_colors(start + 10, flags) + 1), lambda: tf.identity(length)
    )
    (width, height), (x, y, w, h) = (_words(part) for part in (screen[:4], box))
    sides = tf.cast(tf.stack([tf.maximum(height, y + h), tf.maximum(width, x + w)]), tf.int64)
    # What ends a GIF, unless the file ended before.
    trailer = tf.where(end < length, b";", b"")
    return tf.strings.substr(encoded, 0, end) + trailer, sides[0], sides[1]


def _words(data):
    return [low + 256 * high for low, high in zip(data[::2], data[1::2], strict=True)]
