"""Categories in an evaluation."""

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.corruption import Corruption
from kerasfusion.evaluation.features.base import EvaluatedFeature
from kerasfusion.schema import SPECIAL_CATEGORIES

MISSING, UNKNOWN = range(len(SPECIAL_CATEGORIES))


def make_unknown(x, features, degree, seed):
    """Replace this share of categories by one that training did not meet. Missing cells stay missing."""
    changed = dict(x)
    for place, feature in enumerate(features):
        ids = x[feature.name]
        hit = tf.random.stateless_uniform(tf.shape(ids), tf.add(seed, [0, place + 1])) < degree
        changed[feature.name] = tf.where(hit & (ids != MISSING), UNKNOWN, ids)
    return changed


class CategoricalInputs(EvaluatedFeature):
    """Categories are shown by column, and made unknown."""

    corruptions = (Corruption("categories unknown", "categorical", "share of cells", make_unknown),)
    what = "categories"
    tabular = True

    def keys(self, feature, examples):
        return list(map(tuple, _cells(feature, examples)))

    def columns(self, feature, examples):
        ids = examples.arrays[feature.name]
        known = (ids != MISSING) & (ids != UNKNOWN)
        return np.where(known, ids, np.nan).astype("float32"), [len(names) for names in feature.category_names]

    def shown(self, feature, examples, position):
        return {"categories": dict(zip(feature.columns, _cells(feature, examples)[position].tolist(), strict=True))}

    def sample(self, feature, examples):
        return _cells(feature, examples)[0].tolist()


def _cells(feature, examples):
    return examples.frame[list(feature.columns)].fillna("").to_numpy(object)
