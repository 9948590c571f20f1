"""Signals of any length and rate to a model's input, as TensorFlow ops shared by training and SavedModels."""

import tensorflow as tf

from kerasfusion.preprocessing.resample import needed_samples, rate_factors, resample
from kerasfusion.preprocessing.wav import wav_header, wav_samples


def decode_signal(encoded, length, rate):
    """Decode a WAV file, mix its channels, change its rate, and cut or pad it.

    Args:
        encoded: tf.string scalar: WAV with PCM of 8, 16, 24 or 32 bits or floating-point numbers of 32 or 64. Whole
            numbers become [-1, 1); several channels become their mean.
        length: int, number of samples. Of a longer signal the first are kept.
        rate: int, samples a second.

    Returns:
        tuple: float32 `(length, 1)`, NaN behind a shorter signal and where a sample is missing (not finite); bool
        scalar, False (and zeros) where the bytes are no such file or hold no sample.

    Example:

    ```python
    samples, ok = kf.preprocessing.decode_signal(tf.io.read_file("word.wav"), length=8000, rate=8000)
    ```
    """
    header = wav_header(encoded)
    up, down = rate_factors(header["rate"], rate)
    samples = wav_samples(encoded, header, needed_samples(length, up, down))
    # An empty signal has no sample to gather.
    samples = tf.cond(tf.size(samples) > 0, lambda: samples, lambda: tf.fill([1], float("nan")))
    return fit_signal(resample(samples, up, down, length)[:, None], length, header["ok"])


def fit_signal(samples, length, ok=True):
    """Cut or pad a signal.

    Args:
        samples: float32 `(…, n, channels)`, not finite where a sample is missing.
        length: int, number of samples.
        ok: bool `(…)`, whether there is a signal.

    Returns:
        tuple: float32 `(…, length, channels)`, NaN where a sample is missing; bool `(…)`, False (and zeros) where
        all are, or `ok` is False.
    """
    samples = samples[..., :length, :]
    samples = tf.where(tf.math.is_finite(samples), samples, float("nan"))
    behind = [[0, 0]] * (samples.shape.rank - 2) + [[0, length - tf.shape(samples)[-2]], [0, 0]]
    samples = tf.pad(samples, behind, constant_values=float("nan"))
    ok = tf.reduce_any(tf.math.is_finite(samples), axis=(-2, -1)) & ok
    samples = tf.where(ok[..., None, None], samples, 0.0)
    return tf.ensure_shape(samples, (*samples.shape[:-2], length, samples.shape[-1])), ok


def decode_signals(encoded, length, rate):
    """Decode a batch of WAV files. One that cannot be decoded does not fail the batch.

    Args:
        encoded: tf.string `(B,)`. An empty string is a missing signal.
        length: int, number of samples.
        rate: int, samples a second.

    Returns:
        tuple: float32 `(B, length, 1)` and bool `(B,)`, see `decode_signal`.

    Example:

    ```python
    samples, signal_ok = kf.preprocessing.decode_signals([wav_bytes, b""], length=8000, rate=8000)
    ```
    """
    types = tf.TensorSpec((length, 1), tf.float32), tf.TensorSpec((), tf.bool)
    encoded = tf.convert_to_tensor(encoded, tf.string)
    return tf.map_fn(lambda one: decode_signal(one, length, rate), encoded, fn_output_signature=types)
