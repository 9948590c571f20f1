"""Numbers as inputs of signatures."""

import tensorflow as tf

from kerasfusion.serving.features.base import ServedFeature


class ServedNumbers(ServedFeature):
    """`<name>`, float32 `(B, d)`."""

    def spec(self, feature):
        return tf.TensorSpec((None, feature.length), tf.float32, name=feature.name)
