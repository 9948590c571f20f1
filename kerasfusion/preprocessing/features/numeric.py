"""Numbers with gaps to numbers without."""

import tensorflow as tf

from kerasfusion.preprocessing.features.base import RawFeature


class Numbers(RawFeature):
    """float32 `(B, d)` to the same, the training split's mean in place of NaN; a row of NaN alone is missing."""

    def read(self, feature, raw, resource, max_pixels):
        given = ~tf.math.is_nan(raw)
        return tf.where(given, raw, tf.constant(feature.mean, tf.float32)), tf.reduce_any(given, axis=-1)
