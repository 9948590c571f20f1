"""Columns of plain numbers, together one vector."""

import numpy as np

from kerasfusion.data.errors import DataError, source_of
from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.labels import read_numbers
from kerasfusion.data.summaries import value_range
from kerasfusion.schema import Feature


class NumericColumns(FeatureColumns):
    """float32 `(n, d)`; a missing cell holds the training split's mean."""

    hashed = (("numeric", "arrays"), ("numeric_present", "present"))

    def check(self, frame, column):
        if np.isnan(read_numbers(frame, column)).all():
            raise DataError(f"{source_of(frame)}, column {column!r} (numbers): every cell is empty.")

    def clean(self, frame, column):
        return read_numbers(frame, column)

    def fit(self, frame, columns, name, limits, files=None):
        values = _values(frame, columns)
        for column, empty in zip(columns, np.isnan(values).all(axis=0), strict=True):
            if empty:
                raise DataError(
                    f"{source_of(frame)}: every training row lacks column {column!r} (numbers), so nothing is "
                    "learned of it. Leave it out, or split the rows otherwise (split=…, --split)."
                )
        mean, std = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return Feature(name, "numeric", columns, length=len(columns), mean=tuple(mean), std=tuple(std)), []

    def encode(self, frame, feature, stored=None):
        values = _values(frame, feature.columns)
        filled = np.where(np.isnan(values), np.asarray(feature.mean)[None], values)
        return filled.astype("float32"), ~np.isnan(values).all(axis=1)

    def missing(self, feature):
        return feature.mean

    def profile(self, feature, splits, sizes=None):
        return {
            column: {name: value_range(read_numbers(split.frame, column)) for name, split in splits.items()}
            for column in feature.columns
        }

    def cells(self, feature, examples):
        return [read_numbers(examples.frame, column) for column in feature.columns]


def _values(frame, columns):
    return np.stack([read_numbers(frame, column) for column in columns], axis=1)
