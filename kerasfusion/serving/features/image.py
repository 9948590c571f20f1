"""Images as inputs of signatures."""

import tensorflow as tf

from kerasfusion.serving.features.base import ServedFeature


class ServedImage(ServedFeature):
    """`<name>_bytes`, string `(B,)`."""

    def spec(self, feature):
        return tf.TensorSpec((None,), tf.string, name=f"{feature.name}_bytes")
