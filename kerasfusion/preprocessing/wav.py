"""Read WAV files in the graph: the header, and samples of every common depth."""

import tensorflow as tf

from kerasfusion.bounds import MOST_CHANNELS, MOST_CHUNKS, MOST_RATE

# Formats by tag and bits: whole numbers of 8 (unsigned) to 32 bits, and floating-point numbers.
FORMATS = ((1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64))
# A tag that says: the real one is further back.
EXTENSIBLE = 0xFFFE
# Who writes into a pipe does not know the size yet, and writes about the largest.
STREAMED = 0x7FFF0000
_SPARE = 64


def wav_header(encoded):
    """Find the samples of a WAV file.

    Args:
        encoded: tf.string scalar.

    Returns:
        dict of scalars: `ok` bool, whether the samples can be read; int64 `format`, a place in `FORMATS`, `channels`,
        `rate` in samples a second, `align` in bytes of all channels' samples, `start` in bytes and `frames`, the
        number of samples of each channel. All but `ok` are harmless numbers where it is False.
    """
    length = tf.cast(tf.strings.length(encoded), tf.int64)
    # Zeros behind the end, so that nothing is read from outside.
    data = tf.strings.join([encoded, b"\0" * _SPARE])

    def number(place, width):
        place = tf.clip_by_value(place, 0, length)
        found = tf.io.decode_raw(tf.strings.substr(data, place, width), tf.uint8)
        return tf.reduce_sum(tf.cast(found, tf.int64) * [256**i for i in range(width)])

    def name(place):
        return tf.strings.substr(data, tf.clip_by_value(place, 0, length), 4)

    def step(place, layout, start, size):
        found, own = name(place), number(place + 4, 4)
        behind = place + 8
        layout = tf.where(found == b"fmt ", behind, layout)
        start, size = tf.where(found == b"data", behind, start), tf.where(found == b"data", own, size)
        return behind + own + own % 2, layout, start, size

    none = tf.constant(-1, tf.int64)
    _, layout, start, size = tf.while_loop(
        lambda place, layout, start, size: (start < 0) & (place + 8 <= length),
        step,
        (tf.constant(12, tf.int64), none, none, tf.constant(0, tf.int64)),
        maximum_iterations=MOST_CHUNKS,
    )
    tag, channels, rate = number(layout, 2), number(layout + 2, 2), number(layout + 4, 4)
    align, bits = number(layout + 12, 2), number(layout + 14, 2)
    tag = tf.where(tag == EXTENSIBLE, number(layout + 24, 2), tag)
    left = tf.maximum(length - start, 0)
    size = tf.where(size >= STREAMED, left, size)
    known = tf.reduce_all(tf.stack([tag, bits]) == tf.constant(FORMATS, tf.int64), axis=1)
    ok = tf.reduce_all(
        [
            name(tf.constant(0, tf.int64)) == b"RIFF",
            name(tf.constant(8, tf.int64)) == b"WAVE",
            layout > 0,
            start > 0,
            tf.reduce_any(known),
            (channels > 0) & (channels <= MOST_CHANNELS),
            align * 8 == channels * bits,
            (rate > 0) & (rate <= MOST_RATE),
            # A file that was cut off.
            size <= left,
        ]
    )
    one = tf.constant(1, tf.int64)
    align, rate, channels = (tf.where(ok, value, one) for value in (align, rate, channels))
    return {
        "ok": ok,
        "format": tf.where(ok, tf.argmax(known), 0),
        "channels": channels,
        "rate": rate,
        "align": align,
        "start": tf.where(ok, start, 0),
        "frames": tf.where(ok, size // align, 0),
    }


def wav_samples(encoded, header, most):
    """The first samples of a WAV file, its channels averaged.

    Args:
        encoded: tf.string scalar.
        header: What `wav_header` gave.
        most: int64 scalar, number of samples that are enough.

    Returns:
        float32 `(samples,)`, whole numbers in [-1, 1); NaN where a sample is not finite in one of the channels.
    """
    frames = tf.minimum(header["frames"], most)
    raw = tf.strings.substr(encoded, header["start"], frames * header["align"])

    def whole(dtype, bits):
        return lambda: tf.cast(tf.io.decode_raw(raw, dtype), tf.float32) / 2.0 ** (bits - 1)

    def unsigned():
        return (tf.cast(tf.io.decode_raw(raw, tf.uint8), tf.float32) - 128.0) / 128.0

    def three_bytes():
        low, middle, high = tf.unstack(
            tf.cast(tf.reshape(tf.io.decode_raw(raw, tf.uint8), (-1, 3)), tf.int32), axis=1
        )
        found = low + 256 * middle + 65536 * high
        return tf.cast(tf.where(found >= 2**23, found - 2**24, found), tf.float32) / 2.0**23

    def floating(dtype):
        return lambda: tf.cast(tf.io.decode_raw(raw, dtype), tf.float32)

    readers = (
        unsigned,
        whole(tf.int16, 16),
        three_bytes,
        whole(tf.int32, 32),
        floating(tf.float32),
        floating(tf.float64),
    )
    found = tf.switch_case(tf.cast(header["format"], tf.int32), readers)
    found = tf.reshape(found, (frames, header["channels"]))
    return tf.reduce_mean(tf.where(tf.math.is_finite(found), found, float("nan")), axis=1)
