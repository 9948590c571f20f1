"""Strings to token ids."""

import tensorflow as tf

from kerasfusion.preprocessing.features.base import RawFeature
from kerasfusion.preprocessing.text import text_vectorizer


class Strings(RawFeature):
    """string `(B,)` to int32 `(B, L)`; a text without a token is missing."""

    def resource(self, feature):
        vectorizer = text_vectorizer(feature)
        vectorizer(tf.constant(["built before it is tracked"]))
        return vectorizer

    def read(self, feature, raw, resource, max_pixels):
        ids = tf.cast(resource(raw), tf.int32)
        return ids, tf.reduce_any(ids != 0, axis=-1)
