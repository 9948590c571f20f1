"""The first frame of a GIF, cut out before it is decoded: TensorFlow's decoder unpacks every frame, however large."""

import tensorflow as tf

from kerasfusion.bounds import MOST_BLOCK_STEPS

_EXTENSION, _IMAGE = 0x21, 0x2C
# Blocks of one size that are passed at once: encoders fill all blocks of a frame but the last.
_STRIDE = 256


def first_frame(encoded):
    """A GIF without what follows its first frame.

    Args:
        encoded: tf.string scalar, a GIF.

    Returns:
        tuple: tf.string scalar, the GIF up to the end of the first frame (of no use where the file is broken, empty
        where its blocks take more than `MOST_BLOCK_STEPS` steps), and
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

    def pass_blocks(place):
        """The place behind some blocks, each led by its size: those that follow and have the size of the first."""
        stride = byte(place) + 1
        following = tf.minimum(place + stride * tf.range(1, _STRIDE), length)
        differs = tf.concat([tf.gather(data, following) != tf.gather(data, tf.minimum(place, length)), [True]], 0)
        return place + stride * (1 + tf.argmax(differs, output_type=tf.int32))

    def walk(place, in_frame):
        """The place behind the blocks of a frame, or behind extensions, and whether that takes too many steps."""

        def goes_on(place, in_chain):
            return in_chain if in_frame else in_chain | (byte(place) == _EXTENSION)

        def step(place, in_chain):
            in_blocks = in_chain & (byte(place) > 0)
            # An extension begins with two bytes; the empty block that ends a chain is one.
            behind = tf.cond(in_blocks, lambda: pass_blocks(place), lambda: place + tf.where(in_chain, 1, 2))
            return behind, in_blocks | ~in_chain

        start = (place, tf.constant(in_frame))
        place, in_chain = tf.while_loop(goes_on, step, start, maximum_iterations=MOST_BLOCK_STEPS)
        return place, goes_on(place, in_chain)

    screen = some(6, 5)
    start, is_endless = walk(behind_colors(13, screen[4]), in_frame=False)
    kind, *box, flags = some(start, 10)
    end, is_endless = tf.cond(
        (kind == _IMAGE) & ~is_endless,
        lambda: walk(behind_colors(start + 10, flags) + 1, in_frame=True),
        lambda: (length, is_endless),
    )
    (width, height), (x, y, w, h) = (_words(part) for part in (screen[:4], box))
    sides = tf.cast(tf.stack([tf.maximum(height, y + h), tf.maximum(width, x + w)]), tf.int64)
    # What ends a GIF, unless the file ended before.
    trailer = tf.where(end < length, b";", b"")
    frame = tf.where(is_endless, b"", tf.strings.substr(encoded, 0, end) + trailer)
    return frame, sides[0], sides[1]


def _words(data):
    return [low + 256 * high for low, high in zip(data[::2], data[1::2], strict=True)]
