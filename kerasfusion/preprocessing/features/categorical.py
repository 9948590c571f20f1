"""Categories to ids: by a vocabulary, or by a hash where there are too many."""

import tensorflow as tf

from kerasfusion.preprocessing.features.base import RawFeature
from kerasfusion.schema import SPECIAL_CATEGORIES

MISSING, UNKNOWN = range(len(SPECIAL_CATEGORIES))


class Categories(RawFeature):
    """string `(B, d)` to int32 `(B, d)`: "" is a missing cell, and a row of them alone is missing."""

    def resource(self, feature):
        keys = category_keys(feature)
        if not keys:
            return None
        table = tf.lookup.KeyValueTensorInitializer(list(keys), list(keys.values()), tf.string, tf.int64)
        return tf.lookup.StaticHashTable(table, UNKNOWN)

    def read(self, feature, raw, resource, max_pixels):
        raw = tf.strings.strip(raw)
        ids = tf.fill(tf.shape(raw), tf.constant(UNKNOWN, tf.int64))
        if resource is not None:
            ids = resource.lookup(tf.constant([f"{place}:" for place in range(feature.length)]) + raw)
        if feature.buckets:
            hashed = tf.strings.to_hash_bucket_fast(raw, feature.buckets) + len(SPECIAL_CATEGORIES)
            ids = tf.where(tf.constant([not known for known in feature.categories]), hashed, ids)
        ids = tf.cast(tf.where(raw == "", tf.constant(MISSING, tf.int64), ids), tf.int32)
        return ids, tf.reduce_any(ids != MISSING, axis=-1)


def category_keys(feature):
    """Keys of the lookup table, column and category, -> ids."""
    return {
        f"{place}:{category}": number
        for place, known in enumerate(feature.categories)
        for number, category in enumerate(known, start=len(SPECIAL_CATEGORIES))
    }
