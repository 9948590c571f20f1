"""Boxes as inputs of signatures."""

import tensorflow as tf

from kerasfusion.serving.features.base import ServedFeature


class ServedBoxes(ServedFeature):
    """`<name>`, float32 `(B, N, 4)` fractions of the image, 5 with the id of a category; zeros or NaN for no box."""

    def spec(self, feature):
        return tf.TensorSpec((None, *feature.input_shape), tf.float32, name=feature.name)

    def categories(self, feature):
        return feature.category_names[0] if feature.categories else ()
