"""Base class of all signal encoders: missing samples, standardization or log-mel spectrogram, the output dict."""

import keras
from keras import ops

from kerasfusion.layers import LogMelSpectrogram, TemporalStatistics
from kerasfusion.layers.log_mel_spectrogram import LOWEST_AUDIO_RATE

# Decibels of about the middle and the deviation of speech: what the normalization starts from.
MIDDLE, DEVIATION = -40.0, 20.0


class SignalEncoder(keras.layers.Layer):
    """Base class: encode a signal as a sequence, a pooled vector and a mask.

    Sound, of a rate from 4,000 samples a second on, becomes a `kf.layers.LogMelSpectrogram`, normalized per band over
    the batch; missing samples are silence. Any other signal is standardized, missing samples become 0, and beside
    each channel goes another that is 1 where a sample is there. A frame without a sample is masked. A subclass
    creates its layers in `build_encoder` and computes `(sequence, pooled, mask)` in `encode`.

    Args:
        units: int, width `d` of the output.
        mean: sequence of float, mean of each channel over the training split.
        std: sequence of float, standard deviation of each channel; 0 (a constant channel) is treated as 1.
        rate: Optional int, samples a second. Defaults to None.
        num_mels: int, number of mel bands. Defaults to 40.
        dropout: float in [0, 1), dropout rate on the frames. Defaults to 0.

    Call arguments:
        samples: float32 `(B, T, channels)`, NaN where a sample is missing or behind the end.
        training: Optional bool.

    Returns:
        dict: `sequence` float `(B, n, d)`, zero where masked; `pooled` float `(B, d)`; `mask` bool `(B, n)`, True
        where there is a sample.

    Raises:
        ValueError: at build time, if the number of channels differs from the number of means.

    Example:

    ```python
    class MeanEncoder(kf.encoders.SignalEncoder):
        def build_encoder(self, frames_shape):
            pass

        def encode(self, frames, mask, training):
            return frames, keras.ops.mean(frames, axis=1), mask


    MeanEncoder(units=2, mean=(0.0,), std=(1.0,))(keras.random.normal((3, 50, 1)))["pooled"]  # (3, 2)
    ```
    """

    def __init__(self, units, mean, std, rate=None, num_mels=40, dropout=0.0, **kwargs):
        # Missing samples are told, and spectra computed, in float32 whatever the precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.units = units
        self.mean = tuple(float(m) for m in mean)
        self.std = tuple(float(s) or 1.0 for s in std)
        self.rate = rate
        self.num_mels = num_mels
        self.dropout = dropout
        self.spectrogram = self.norm = None
        if rate is not None and rate >= LOWEST_AUDIO_RATE:
            self.spectrogram = LogMelSpectrogram(rate, num_mels, name="spectrogram", dtype="float32")
            self.norm = keras.layers.BatchNormalization(momentum=0.9, name="norm", dtype=self.dtype_policy)
        self.frame_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        # A model's own graph calls it: its name must be another for each encoder.
        self.statistics = TemporalStatistics(rate, num_mels, name=f"{self.name}_statistics", dtype="float32")

    def build(self, samples_shape):
        channels = samples_shape[-1]
        if channels != len(self.mean):
            raise ValueError(f"{self.name}: {channels} channels for {len(self.mean)} means.")
        length, width = samples_shape[1], 2 * channels
        if self.spectrogram is not None:
            length, width = (
                None if length is None else 1 + length // self.spectrogram.hop_length,
                channels * self.num_mels,
            )
            self.norm.build((samples_shape[0], length, width))
        self.build_encoder((samples_shape[0], length, width))

    def build_encoder(self, frames_shape):
        """Create the layers after the frames; `frames_shape` is `(B, F, c)`."""
        raise NotImplementedError

    def encode(self, frames, mask, training):
        """Compute `(sequence, pooled, mask)` from frames `(B, F, c)`, zero where their mask `(B, F)` is False."""
        raise NotImplementedError

    def call(self, samples, training=None):
        samples = ops.cast(samples, "float32")
        known = ops.logical_not(ops.isnan(samples))
        if self.spectrogram is None:
            frames, mask = self._standardized(samples, known), ops.any(known, axis=-1)
        else:
            frames, mask = self._spectra(samples, known)
            frames = ops.cast((frames - MIDDLE) / DEVIATION, self.compute_dtype)
            frames = self.norm(frames, training=training, mask=mask)
        frames = self.frame_dropout(ops.cast(frames, self.compute_dtype), training=training)
        frames = frames * ops.cast(mask, frames.dtype)[..., None]
        sequence, pooled, mask = self.encode(frames, mask, training)
        return {"sequence": sequence * ops.cast(mask, sequence.dtype)[..., None], "pooled": pooled, "mask": mask}

    def describe(self, samples):
        """Compute what a linear model reads: `kf.layers.TemporalStatistics`, float32 `(B, s)`."""
        return self.statistics(samples)

    def _standardized(self, samples, known):
        mean = ops.convert_to_tensor(self.mean, dtype="float32")
        std = ops.convert_to_tensor(self.std, dtype="float32")
        return ops.concatenate([ops.where(known, (samples - mean) / std, 0.0), ops.cast(known, "float32")], axis=-1)

    def _spectra(self, samples, known):
        """Frames `(B, F, channels · mels)`, and the mask of those whose hop has a sample."""
        length, channels = samples.shape[1:]
        waves = ops.reshape(ops.transpose(ops.where(known, samples, 0.0), (0, 2, 1)), (-1, length))
        frames = self.spectrogram(waves)
        count = frames.shape[1]
        frames = ops.reshape(frames, (-1, channels, count, self.num_mels))
        frames = ops.reshape(ops.transpose(frames, (0, 2, 1, 3)), (-1, count, channels * self.num_mels))
        behind = count * self.spectrogram.hop_length - length
        heard = ops.pad(ops.any(known, axis=-1), [[0, 0], [0, behind]])
        return frames, ops.any(ops.reshape(heard, (-1, count, self.spectrogram.hop_length)), axis=-1)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("units", "mean", "std", "rate", "num_mels", "dropout")}
        return {**super().get_config(), **own}


def join_frames(frames, mask, size):
    """Put `size` neighbouring frames into one: `(B, F, c)` -> `(B, ⌈F / size⌉, size · c)`, and the mask of any."""
    count, width = frames.shape[1:]
    groups = -(-count // size)
    frames = ops.pad(frames, [[0, 0], [0, groups * size - count], [0, 0]])
    mask = ops.pad(mask, [[0, 0], [0, groups * size - count]])
    return ops.reshape(frames, (-1, groups, size * width)), ops.any(ops.reshape(mask, (-1, groups, size)), axis=-1)
