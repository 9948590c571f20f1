"""Columns of categories, together one vector of ids."""

import numpy as np
import pandas as pd
import tensorflow as tf

from kerasfusion.data.errors import DataError, source_of
from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.labels import check_values, value_name
from kerasfusion.data.settings import Setting
from kerasfusion.data.table import stripped
from kerasfusion.preprocessing.features.categorical import Categories
from kerasfusion.schema import SPECIAL_CATEGORIES, Feature

MOST_SHOWN = 8
# Of so large a share of a column's cells each is a category of its own: it looks like an identifier.
IDENTIFIER = 0.9
FEWEST_ROWS = 20
_READ, _UNKNOWN = Categories(), SPECIAL_CATEGORIES.index("[UNKNOWN]")


class CategoricalColumns(FeatureColumns):
    """int32 `(n, d)` ids of one range per column: 0 missing, 1 unknown, then the categories or their buckets."""

    hashed = (("categorical", "arrays"),)

    def check(self, frame, column):
        check_values(frame, column, "a category")
        if stripped(frame[column]).isna().all():
            raise DataError(f"{source_of(frame)}, column {column!r} (categories): every cell is empty.")

    def clean(self, frame, column):
        check_values(frame, column, "a category")
        return stripped(frame[column]).map(value_name, na_action="ignore").astype(object)

    def notes(self, frame, column, places=None):
        filled = frame[column].dropna()
        count = filled.nunique()
        if count == 1 and len(filled) == len(frame):
            return [f"Every row has the same category (column {column!r}): nothing can be learnt from it."]
        if len(filled) >= FEWEST_ROWS and count >= IDENTIFIER * len(filled):
            return [
                f"Column {column!r} has {count:,} categories in {len(filled):,} rows, like an identifier: of a "
                "category that training did not meet nothing is known. Leave it out, or name a coarser column."
            ]
        return []

    def fit(self, frame, columns, name, limits, files=None):
        most, categories, settings = limits["max_tokens"], [], []
        for column in columns:
            counts = frame[column].value_counts()
            if not len(counts):
                raise DataError(
                    f"{source_of(frame)}: every training row lacks column {column!r} (categories), so nothing is "
                    "learned of it. Leave it out, or split the rows otherwise (split=…, --split)."
                )
            known = sorted(counts.index, key=lambda category, counts=counts: (-counts[category], category))
            value, why = f"{len(known):,}", f"seen in training, at most {most:,}"
            if len(known) > most:
                value, why = f"{most:,} buckets", f"hashed: {len(known):,} seen in training, more than {most:,}"
                known = []
            categories.append(tuple(known))
            settings.append(Setting(f"categories ({column})", value, why, "--max-tokens"))
        buckets = 0 if all(categories) else most
        feature = Feature(
            name, "categorical", columns, length=len(columns), categories=tuple(categories), buckets=buckets
        )
        return feature, settings

    def encode(self, frame, feature, stored=None):
        cells = tf.constant(_cells(feature, frame), tf.string, (len(frame), feature.length))
        ids, present = _READ.read(feature, cells, _READ.resource(feature), None)
        return ids.numpy(), present.numpy()

    def words(self, feature, examples):
        return [" ".join(row) for row in _cells(feature, examples.frame)]

    def raw_inputs(self, feature, examples):
        return {feature.name: [[cell.encode() for cell in row] for row in _cells(feature, examples.frame)]}

    def profile(self, feature, splits, sizes=None):
        found = {}
        for place, (column, categories) in enumerate(zip(feature.columns, feature.categories, strict=True)):
            counts = pd.DataFrame({name: split.frame[column].value_counts() for name, split in splits.items()})
            counts = counts.fillna(0).astype(int)
            order = np.argsort(-counts.sum(axis=1).to_numpy(), kind="stable")[:MOST_SHOWN]
            found[column] = {
                "categories": len(categories),
                "buckets": 0 if categories else feature.buckets,
                "distinct": {name: int((counts[name] > 0).sum()) for name in splits},
                "unknown": {
                    name: int((split.arrays[feature.name][:, place] == _UNKNOWN).sum())
                    for name, split in splits.items()
                },
                "commonest": [[str(counts.index[i]), int(counts.iloc[i].sum())] for i in order],
            }
        return found


def _cells(feature, frame):
    """Strings `(n, d)`, "" for a missing cell."""
    return frame[list(feature.columns)].fillna("").to_numpy(object)
