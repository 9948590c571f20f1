"""Change the sample rate of a signal in the graph, as `scipy.signal.resample_poly` does."""

import tensorflow as tf

# `scipy.signal.resample_poly`: half of the filter is so many samples of the slower rate; shape of its Kaiser window.
HALF_LENGTH = 10
BETA = 5.0


def rate_factors(rate, target):
    """`(up, down)`, two int64 scalars without a common divisor: `target / rate = up / down`."""
    rate, target = tf.cast(rate, tf.int64), tf.constant(target, tf.int64)
    divisor, _ = tf.while_loop(lambda a, b: b > 0, lambda a, b: (b, a % b), (rate, target))
    return target // divisor, rate // divisor


def needed_samples(length, up, down):
    """How many samples of the signal decide the first `length` resampled ones; int64 scalar."""
    reach = HALF_LENGTH * tf.maximum(up, down)
    return (length * down + reach) // up + 1


def resample(samples, up, down, length):
    """The first samples of a signal at another rate.

        y[m] = Σ_k h[m down - k up] x[k]

    `h` is a low-pass filter (a sinc in a Kaiser window, of `20 max(up, down) + 1` taps with sum `up`), centred on 0.
    Only the taps that meet a sample are multiplied (a polyphase filter). A sample that is missing counts as 0, and
    those of the result for which it is the nearest are missing.

    Args:
        samples: float32 `(n,)`, NaN where missing.
        up: int64 scalar, from `rate_factors`.
        down: int64 scalar.
        length: int, most samples of the result.

    Returns:
        float32 `(min(length, ⌈n up / down⌉),)`.

    Example:

    ```python
    up, down = rate_factors(8000, 16000)
    resample(tf.random.normal([80]), up, down, length=160)  # (160,)
    ```
    """
    return tf.cond(up == down, lambda: samples[:length], lambda: _filtered(samples, up, down, length))


def _filtered(samples, up, down, length):
    count = tf.size(samples, tf.int64)
    places = tf.range(tf.minimum(tf.constant(length, tf.int64), -(-count * up // down)))
    half = HALF_LENGTH * tf.maximum(up, down)
    # The last sample within the filter's reach, and the tap that it meets; each sample before meets one `up` further.
    last, tap = (places * down + half) // up, (places * down + half) % up
    steps = tf.range(2 * half // up + 1)
    taps = tf.gather(_low_pass(half, up, down), tap[:, None] + up * steps)
    near = last[:, None] - steps
    inside = (near >= 0) & (near < count)
    known = tf.where(tf.math.is_finite(samples), samples, 0.0)
    met = tf.where(inside, tf.gather(known, tf.clip_by_value(near, 0, count - 1)), 0.0)
    found = tf.reduce_sum(taps * met, axis=1)
    nearest = tf.gather(samples, tf.minimum((places * down + up // 2) // up, count - 1))
    return tf.where(tf.math.is_finite(nearest), found, float("nan"))


def _low_pass(half, up, down):
    """The filter's taps, and zeros behind them."""
    place = tf.cast(tf.range(-half, half + 1), tf.float64)
    cutoff = 1.0 / tf.cast(tf.maximum(up, down), tf.float64)
    angle = place * cutoff * 3.141592653589793
    sinc = tf.where(place == 0, tf.ones_like(angle), tf.sin(angle) / tf.where(place == 0, tf.ones_like(angle), angle))
    inside = tf.maximum(1.0 - tf.square(place / tf.cast(half, tf.float64)), 0.0)
    taps = sinc * tf.math.bessel_i0(BETA * tf.sqrt(inside))
    taps *= tf.cast(up, tf.float64) / tf.reduce_sum(taps)
    return tf.concat([tf.cast(taps, tf.float32), tf.zeros([up], tf.float32)], axis=0)
