"""Texts in an evaluation."""

import tensorflow as tf

from kerasfusion.evaluation.corruption import Corruption
from kerasfusion.evaluation.features.base import EvaluatedFeature
from kerasfusion.schema import SPECIAL_TOKENS

UNKNOWN = SPECIAL_TOKENS.index("[UNK]")
LONGEST_TEXT = 500


def mask_words(x, features, degree, seed):
    """Replace this share of words by the unknown word. Start, end and padding stay."""
    changed = dict(x)
    for place, feature in enumerate(features):
        ids = x[feature.name]
        hit = tf.random.stateless_uniform(tf.shape(ids), tf.add(seed, [0, place + 1])) < degree
        changed[feature.name] = tf.where(hit & (ids >= len(SPECIAL_TOKENS)), UNKNOWN, ids)
    return changed


class TextInputs(EvaluatedFeature):
    """Texts are shown as they are, and their words masked."""

    corruptions = (Corruption("words masked", "text", "share of words", mask_words),)
    what = "text"

    def keys(self, feature, examples):
        return examples.raw(feature)

    def shown(self, feature, examples, position):
        text = examples.raw(feature)[position]
        return {"text": text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"}

    def sample(self, feature, examples):
        return next((text for text in examples.raw(feature) if text.strip()), "")[:LONGEST_TEXT]
