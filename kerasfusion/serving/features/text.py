"""Texts as inputs of signatures."""

import tensorflow as tf

from kerasfusion.serving.features.base import ServedFeature


class ServedText(ServedFeature):
    """`<name>`, string `(B,)`."""

    def spec(self, feature):
        return tf.TensorSpec((None,), tf.string, name=feature.name)

    def table_bytes(self, feature):
        return words_bytes(feature.vocabulary)


def words_bytes(words):
    """Bytes of a vocabulary, which is kept with a character between words."""
    return sum(len(word.encode()) + 1 for word in words)
