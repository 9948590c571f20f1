"""Classical baseline on signals: mean and deviation over time, and a linear model."""

import itertools

import keras
import numpy as np

from kerasfusion.encoders.signal.base import LOWEST_AUDIO_RATE
from kerasfusion.evaluation.linear_baseline import LinearBaseline, as_bytes, as_text
from kerasfusion.layers import LogMelSpectrogram

CHUNK = 256


class SignalStatistics(LinearBaseline):
    """Mean and standard deviation over time of every channel, of sound of every mel band, and a linear model.

    A series also gives the change from its first sample to its last. All numbers are standardized over the training
    split; of a missing signal they are 0, beside a number that is 1 where one is missing.

    Args:
        train: `Examples` with at least one signal feature.
        validation: `Examples` that choose the strength of the regularization.

    Attributes:
        features: list of str, the features' names.
        models: See `LinearBaseline`.

    Example:

    ```python
    baseline = kf.evaluation.SignalStatistics(data.splits["train"], data.splits["validation"])
    baseline.predict(data.splits["test"])["label"]["probabilities"]  # (n, C)
    ```
    """

    name = "signal statistics + linear model"

    def __init__(self, train, validation):
        self.features = [feature.name for feature in train.schema.of_kind("signal")]
        self.mean = self.std = None
        self.fit(train, validation)

    @classmethod
    def suits(cls, data):
        return bool(data.schema.of_kind("signal"))

    def reads(self, examples):
        return {feature.name for feature in examples.schema.of_kind("signal")} >= set(self.features)

    def vectors(self, *splits):
        found = [np.concatenate([_describe(split, name) for name in self.features], axis=1) for split in splits]
        if self.mean is None:
            known = found[0][~np.isnan(found[0]).any(axis=1)]
            known = known if len(known) else np.zeros((1, found[0].shape[1]))
            self.mean, self.std = known.mean(axis=0), known.std(axis=0)
            self.std = np.where(self.std > 0, self.std, 1.0)
        scaled = [
            np.column_stack([np.nan_to_num((part - self.mean) / self.std), np.isnan(part).any(axis=1)])
            for part in found
        ]
        starts = np.cumsum([0, *(len(part) for part in scaled)])
        places = [np.arange(start, end) for start, end in itertools.pairwise(starts)]
        return np.concatenate(scaled).astype("float32"), *places

    def arrays(self):
        return {"features": as_bytes("\n".join(self.features)), "mean": self.mean, "std": self.std}

    def restore(self, arrays):
        self.features = as_text(arrays["features"]).split("\n")
        self.mean, self.std = arrays["mean"], arrays["std"]


def _describe(examples, name):
    """Statistics of each row's signal, float64 `(n, s)`, NaN where it is missing."""
    feature, bank = examples.schema[name], examples.banks[name]
    distinct, places = np.unique(examples.arrays[name], return_inverse=True)
    spectrogram = None
    if feature.rate is not None and feature.rate >= LOWEST_AUDIO_RATE:
        spectrogram = LogMelSpectrogram(feature.rate)
    found = []
    for start in range(0, len(distinct), CHUNK):
        samples, ok = (part.numpy() for part in bank.fetch(distinct[start : start + CHUNK].astype("int32")))
        samples[~ok] = np.nan
        found.append(_of_series(samples) if spectrogram is None else _of_sounds(samples, spectrogram))
    return np.concatenate(found)[places.reshape(-1)]


def _of_sounds(samples, spectrogram):
    """Mean and deviation of the mel bands over the frames up to the last sample that is there."""
    known = np.isfinite(samples[..., 0])
    ends = np.where(known.any(axis=1), samples.shape[1] - known[:, ::-1].argmax(axis=1), 0)
    frames = keras.ops.convert_to_numpy(spectrogram(np.nan_to_num(samples[..., 0])))
    # What is behind the end is no silence.
    counts = -(-ends // spectrogram.hop_length)
    rows = [
        np.concatenate([own[:count].mean(axis=0), own[:count].std(axis=0)])
        if count
        else np.full(2 * own.shape[1], np.nan)
        for own, count in zip(frames, counts, strict=True)
    ]
    return np.stack(rows).astype("float64")


def _of_series(samples):
    """Mean, deviation and change of each channel over the samples that are there."""
    return np.stack([np.concatenate([_of_channel(channel) for channel in row.T]) for row in samples])


def _of_channel(values):
    values = values[np.isfinite(values)].astype("float64")
    return np.array([values.mean(), values.std(), values[-1] - values[0]] if values.size else [np.nan] * 3)
