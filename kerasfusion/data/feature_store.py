"""What a frozen network makes of each image, in place of the image's pixels."""

import numpy as np
import tensorflow as tf


class FeatureStore:
    """Features of images in memory, fetched as an `ImageStore` gives pixels.

    A batch holds them as `<feature>_features` in place of `<feature>`.

    Args:
        places: int `(n,)`, places of images in their `ImageStore`; -1 is the image that stands for a missing one.
        features: float `(n, …)`.
        present: bool `(n,)`, False where there is no image or it could not be decoded.
    """

    def __init__(self, places, features, present):
        # Place -1 is the last row. Of places that were never given a batch cannot be made: TensorFlow raises.
        rows = np.full(max(places) + 2, -1, "int32")
        rows[places] = np.arange(len(places))
        self._rows = tf.constant(rows)
        self._features = tf.constant(features)
        self._present = tf.constant(present)

    def fetch(self, index):
        """Features of some images, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32 `(B,)`, places in the `ImageStore`; -1 for none.

        Returns:
            tuple: float `(B, …)` and bool `(B,)`, False where there is no image.
        """
        rows = tf.gather(self._rows, tf.where(index < 0, len(self._rows) - 1, index))
        return tf.gather(self._features, rows), tf.gather(self._present, rows)
