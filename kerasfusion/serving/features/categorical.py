"""Categories as inputs of signatures."""

import tensorflow as tf

from kerasfusion.preprocessing.features.categorical import category_keys
from kerasfusion.serving.features.base import ServedFeature

# What an entry of a table takes beside its letters: their number, and the id.
ID_BYTES = 10


class ServedCategories(ServedFeature):
    """`<name>`, string `(B, d)`, "" for a missing cell."""

    def spec(self, feature):
        return tf.TensorSpec((None, feature.length), tf.string, name=feature.name)

    def table_bytes(self, feature):
        return sum(len(key.encode()) + ID_BYTES for key in category_keys(feature))
