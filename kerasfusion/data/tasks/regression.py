"""Labels that are one number, or a vector of them."""

import dataclasses

import numpy as np

from kerasfusion.data.errors import DataError, source_of
from kerasfusion.data.labels import read_numbers
from kerasfusion.data.summaries import histogram, value_range
from kerasfusion.data.tasks.base import LabelType, labelled


class Regression(LabelType):
    """float32 `(n,)`, NaN where the label is missing."""

    def encode(self, frame, column, classes=None):
        values = read_numbers(frame, column)
        if classes is None and len(np.unique(values[~np.isnan(values)])) < 2:
            raise DataError(f"{source_of(frame)}: only one value in column {column!r}: nothing to learn.")
        return values.astype("float32"), ()

    def fit(self, task, values):
        values = values[~np.isnan(values)].astype("float64")  # the square of a large number is past 32 bits
        return dataclasses.replace(task, mean=float(values.mean()), std=float(values.std()) or 1.0)

    def strata(self, values):
        tenths = np.quantile(values, np.linspace(0, 1, 11)[1:-1])
        return np.searchsorted(tenths, values)

    def profile(self, task, splits):
        kept = labelled(task, splits)
        return {"range": {name: value_range(values) for name, values in kept.items()}, **histogram(kept)}


class EmbeddingRegression(LabelType):
    """float32 `(n, C)`. Embeddings are made beside a table, so a table that is read later has none."""

    profiled = False
    one_answer = False

    def encode(self, frame, column, classes=None):
        return np.full((len(frame), len(classes or ())), np.nan, "float32"), tuple(classes or ())
