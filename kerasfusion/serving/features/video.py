"""Videos as inputs of signatures."""

import tensorflow as tf

from kerasfusion.serving.features.base import ServedFeature


class ServedVideo(ServedFeature):
    """`<name>_bytes`, string `(B, F)`: encoded frames with "" behind them, or one animated GIF."""

    def spec(self, feature):
        return tf.TensorSpec((None, None), tf.string, name=f"{feature.name}_bytes")
