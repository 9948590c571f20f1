"""Classical baseline on signals: mean and deviation over time, and a linear model."""

import itertools

import keras
import numpy as np

from kerasfusion.evaluation.linear_baseline import LinearBaseline
from kerasfusion.evaluation.stored_baseline import as_bytes, as_text
from kerasfusion.layers import TemporalStatistics

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
            # A smaller one is rounding.
            self.std = np.where(self.std > 1e-7 * np.abs(self.mean), self.std, 1.0)
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
    statistics = TemporalStatistics(feature.rate)
    distinct, places = np.unique(examples.arrays[name], return_inverse=True)
    found = []
    for start in range(0, len(distinct), CHUNK):
        samples, ok = (part.numpy() for part in bank.fetch(distinct[start : start + CHUNK].astype("int32")))
        samples[~ok] = np.nan
        found.append(keras.ops.convert_to_numpy(statistics(samples)))
    return np.concatenate(found)[places.reshape(-1)].astype("float64")
