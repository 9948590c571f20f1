"""Signals as inputs of signatures."""

import tensorflow as tf

from kerasfusion.serving.features.base import ServedFeature


class ServedSignal(ServedFeature):
    """With a rate `<name>_bytes`, string `(B,)`, WAV files; without, `<name>`, float32 `(B, n, channels)`."""

    def spec(self, feature):
        if feature.rate is not None:
            return tf.TensorSpec((None,), tf.string, name=f"{feature.name}_bytes")
        return tf.TensorSpec((None, None, feature.channels), tf.float32, name=feature.name)
