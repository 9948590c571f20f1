import keras
from keras import ops

from kerasfusion.layers.log_mel_spectrogram import LOWEST_AUDIO_RATE, LogMelSpectrogram

# A root of 0 has no gradient.
TINY = 1e-12


@keras.saving.register_keras_serializable("kerasfusion")
class TemporalStatistics(keras.layers.Layer):
    """Mean and standard deviation of a signal over time: what a linear model can read of it.

    Of sound, from 4,000 samples a second on, of every mel band of its `LogMelSpectrogram`, over the frames up to the
    last sample that is there. Of any other series, of every channel over the samples that are there, and the change
    from the first of them to the last. Computed in float32 whatever the precision.

    Args:
        rate: Optional int, samples a second. Defaults to None.
        num_mels: int, number of mel bands. Defaults to 40.

    Call arguments:
        samples: float `(B, T, channels)`, NaN where a sample is missing or behind the end.

    Returns:
        float32 `(B, s)`: of a series the means, the deviations and the changes of all channels, of sound the means
        and the deviations of all bands of all channels. NaN where there is no sample.

    Example:

    ```python
    TemporalStatistics()(keras.ops.array([[[1.0], [2.0], [float("nan")], [6.0]]]))  # [[3.0, 2.1602, 5.0]]
    ```
    """

    def __init__(self, rate=None, num_mels=40, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.rate = rate
        self.num_mels = num_mels
        self.spectrogram = None
        if rate is not None and rate >= LOWEST_AUDIO_RATE:
            self.spectrogram = LogMelSpectrogram(rate, num_mels, name="spectrogram", dtype="float32")

    def call(self, samples):
        samples = ops.cast(samples, "float32")
        known = ops.logical_not(ops.isnan(samples))
        samples = ops.where(known, samples, 0.0)
        return self._of_series(samples, known) if self.spectrogram is None else self._of_sound(samples, known)

    def _of_series(self, samples, known):
        length = samples.shape[1]
        first = ops.argmax(ops.cast(known, "int32"), axis=1)
        last = length - 1 - ops.argmax(ops.cast(ops.flip(known, axis=1), "int32"), axis=1)
        ends = [ops.take_along_axis(samples, place[:, None], axis=1)[:, 0] for place in (first, last)]
        return ops.concatenate([*_moments(samples, known), ends[1] - ends[0] + _nan_where_empty(known)], axis=1)

    def _of_sound(self, samples, known):
        length, channels = samples.shape[1:]
        waves = ops.reshape(ops.transpose(samples, (0, 2, 1)), (-1, length))
        frames = self.spectrogram(waves)
        known = ops.reshape(ops.transpose(known, (0, 2, 1)), (-1, length))
        end = length - ops.argmax(ops.cast(ops.flip(known, axis=1), "int32"), axis=1)
        end = ops.where(ops.any(known, axis=1), end, 0)
        # What is behind the end is no silence.
        starts = ops.arange(frames.shape[1]) * self.spectrogram.hop_length
        heard = ops.broadcast_to((starts[None] < end[:, None])[..., None], ops.shape(frames))
        return ops.concatenate(
            [ops.reshape(part, (-1, channels * self.num_mels)) for part in _moments(frames, heard)], axis=1
        )

    def compute_output_shape(self, samples_shape):
        channels = samples_shape[-1]
        return (samples_shape[0], 3 * channels if self.spectrogram is None else 2 * channels * self.num_mels)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "num_mels": self.num_mels}


def _moments(values, known):
    """Mean and deviation over axis 1 of the values that are known, `(B, c)` each; NaN where none is."""
    there = ops.cast(known, "float32")
    count = ops.maximum(ops.sum(there, axis=1), 1.0)
    mean = ops.sum(values * there, axis=1) / count
    variance = ops.sum(ops.square(values - mean[:, None]) * there, axis=1) / count
    empty = _nan_where_empty(known)
    return mean + empty, ops.sqrt(ops.maximum(variance, TINY)) + empty


def _nan_where_empty(known):
    return ops.where(ops.any(known, axis=1), 0.0, float("nan"))
