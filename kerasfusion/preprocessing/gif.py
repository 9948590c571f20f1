"""Extract the first frame of a GIF before decoding, because TensorFlow's decoder decodes all frames."""

import tensorflow as tf

from kerasfusion.bounds import MOST_BLOCK_STEPS

_EXTENSION, _IMAGE = 0x21, 0x2C
# Blocks of equal size to skip at once: encoders fill all blocks of a frame but the last.
_STRIDE = 256


def first_frame(encoded):
    """Truncate a GIF after its first frame.

    Args:
        encoded: tf.string scalar, a GIF.

    Returns:
        tuple: tf.string scalar, the GIF up to the end of the first frame (invalid if the file is broken; empty if its
        blocks take more than `MOST_BLOCK_STEPS` steps), and its height and width in pixels, int64, the larger of
        screen and frame.
    """
    length = tf.strings.length(encoded)
    # Zeros after the end stop every loop that leaves the file.
    data = tf.concat([tf.io.decode_raw(encoded, tf.uint8), tf.zeros(16, tf.uint8)], axis=0)

    def some(place, count):
        found = tf.gather(data, tf.minimum(place, length) + tf.range(count))
        return tf.unstack(tf.cast(found, tf.int32), count)

    def byte(place):
        return tf.cast(tf.gather(data, tf.minimum(place, length)), tf.int32)

    def behind_colors(place, flags):
        """Position after a color table, if the flags indicate one."""
        return place + tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    def pass_blocks(place):
        """Position after consecutive blocks that have the same size as the first."""
        stride = byte(place) + 1
        following = tf.minimum(place + stride * tf.range(1, _STRIDE), length)
        differs = tf.concat([tf.gather(data, following) != tf.gather(data, tf.minimum(place, length)), [True]], 0)
        return place + stride * (1 + tf.argmax(differs, output_type=tf.int32))

    def walk(place, in_frame):
        """Position after the blocks of a frame or after extensions, and whether that takes too many steps."""

        def goes_on(place, in_chain):
            return in_chain if in_frame else in_chain | (byte(place) == _EXTENSION)

        def step(place, in_chain):
            in_blocks = in_chain & (byte(place) > 0)
            # An extension starts with two bytes; the empty block that ends a chain is one byte.
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
    # The trailer of a GIF, unless the file ends before.
    trailer = tf.where(end < length, b";", b"")
    frame = tf.where(is_endless, b"", tf.strings.substr(encoded, 0, end) + trailer)
    return frame, sides[0], sides[1]


def _words(data):
    return [low + 256 * high for low, high in zip(data[::2], data[1::2], strict=True)]
