"""Frames of an animated GIF at even moments of its time."""

import tensorflow as tf

from kerasfusion.bounds import MOST_BLOCK_STEPS, MOST_GIF_FRAMES, MOST_GIF_STEPS
from kerasfusion.preprocessing.image import fit_pixels

_EXTENSION, _CONTROL, _IMAGE = 0x21, 0xF9, 0x2C
# Blocks of equal size to skip at once: encoders fill all blocks of a frame but the last.
_STRIDE = 256
# Hundredths of a second that a frame is shown for where the file says 0 or 1, as browsers do.
_DEFAULT_DELAY = 10


def is_gif(encoded):
    """Whether the bytes, tf.string of any shape, begin as a GIF: bool of the same shape."""
    return tf.strings.substr(encoded, 0, 4) == b"GIF8"


def decode_gif(encoded, size, max_pixels):
    """Decode an animated GIF and take frames from it that are evenly spaced in time.

    Frame `i` of `T` is the one shown at the moment `(i + 1/2) / T` of the animation's time, so a slow frame may be
    taken several times and a short one not at all.

    Args:
        encoded: tf.string scalar, a GIF.
        size: tuple `(T, height, width)`, number of frames and pixels that they are resized to.
        max_pixels: int, maximum number of pixels of all frames together.

    Returns:
        uint8 `(T, height, width, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: At run time, if the bytes are no GIF, or it exceeds a limit (`max_pixels`, or
            those in `kerasfusion.bounds`).
    """
    length, *sides = size
    durations, area = frame_durations(encoded)
    count = tf.size(durations, tf.int64)
    # The decoder, which decodes every frame, fails on an empty string.
    few = (count > 0) & (area <= max_pixels) & (count * area <= max_pixels)
    frames = tf.io.decode_gif(tf.where(few, encoded, b""))
    # Of a file that is cut off the decoder gives the frames before.
    durations = durations[: tf.shape(frames)[0]]
    ends, moments = tf.cumsum(durations), 2 * tf.range(length, dtype=tf.int64) + 1
    # In whole numbers, so that every machine takes the same frames.
    places = tf.reduce_sum(tf.cast(2 * length * ends <= moments[:, None] * ends[-1], tf.int32), axis=1)
    return tf.ensure_shape(fit_pixels(tf.gather(frames, places), sides), (*size, 3))


def frame_durations(encoded):
    """Walk through a GIF's blocks without decoding them.

    Args:
        encoded: tf.string scalar, a GIF.

    Returns:
        tuple: int64 `(n,)`, how long each frame is shown in hundredths of a second, and int64, the pixels of a frame.
        `n` is 0 if there are more than `MOST_GIF_FRAMES`, or the blocks take more than `MOST_GIF_STEPS` steps.
    """
    length = tf.strings.length(encoded)
    # Zeros after the end stop every loop that leaves the file.
    data = tf.concat([tf.io.decode_raw(encoded, tf.uint8), tf.zeros(16, tf.uint8)], axis=0)

    def some(place, count):
        found = tf.gather(data, tf.minimum(place, length) + tf.range(count))
        return tf.unstack(tf.cast(found, tf.int32), count)

    def byte(place):
        return tf.cast(tf.gather(data, tf.minimum(place, length)), tf.int32)

    def pass_blocks(place, steps):
        stride = byte(place) + 1
        following = tf.minimum(place + stride * tf.range(1, _STRIDE), length)
        differs = tf.concat([tf.gather(data, following) != tf.gather(data, tf.minimum(place, length)), [True]], 0)
        return place + stride * (1 + tf.argmax(differs, output_type=tf.int32)), steps + 1

    def in_chain(place, steps):
        return byte(place) > 0

    def is_block(place, count, *_):
        kind = byte(place)
        return ((kind == _IMAGE) | (kind == _EXTENSION)) & (count <= MOST_GIF_FRAMES)

    def pass_block(place, count, delay, durations, sides, steps):
        kind, *rest = some(place, 10)
        is_frame, is_control = kind == _IMAGE, (kind == _EXTENSION) & (rest[0] == _CONTROL)
        delay = tf.where(is_control, rest[3] + 256 * rest[4], delay)
        durations = tf.where(is_frame & (tf.range(MOST_GIF_FRAMES) == count), delay, durations)
        x, y, width, height = _words(rest[:8])
        sides = tf.where(is_frame, tf.maximum(sides, tf.stack([y + height, x + width])), sides)
        colors = tf.where(rest[8] >= 128, 3 * 2 ** (rest[8] % 8 + 1), 0)
        start = place + tf.where(is_frame, 11 + colors, 2)
        most = tf.maximum(0, tf.minimum(MOST_BLOCK_STEPS, MOST_GIF_STEPS - steps))
        end, steps = tf.while_loop(in_chain, pass_blocks, (start, steps + 1), maximum_iterations=most)
        # A chain that is not passed ends the walk.
        count = tf.where(in_chain(end, steps), MOST_GIF_FRAMES + 1, count + tf.cast(is_frame, tf.int32))
        return end + 1, count, tf.where(is_frame, 0, delay), durations, sides, steps

    flags, (width, height) = some(10, 1)[0], _words(some(6, 4))
    start = 13 + tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)
    nothing = tf.zeros((MOST_GIF_FRAMES,), tf.int32)
    state = (start, tf.constant(0), tf.constant(0), nothing, tf.stack([height, width]), tf.constant(0))
    _, count, _, durations, sides, steps = tf.while_loop(
        is_block, pass_block, state, maximum_iterations=MOST_GIF_STEPS
    )
    known = is_gif(encoded) & (count <= MOST_GIF_FRAMES) & (steps <= MOST_GIF_STEPS)
    durations = durations[: tf.where(known, count, 0)]
    durations = tf.where(durations < 2, _DEFAULT_DELAY, durations)
    return tf.cast(durations, tf.int64), tf.reduce_prod(tf.cast(sides, tf.int64))


def _words(data):
    return [low + 256 * high for low, high in zip(data[::2], data[1::2], strict=True)]
