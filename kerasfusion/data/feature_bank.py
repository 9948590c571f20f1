"""What a frozen network makes of each picture, in place of the picture's pixels."""

import numpy as np
import tensorflow as tf


class FeatureBank:
    """Features of pictures in memory, fetched as an `ImageBank` gives pixels.

    Args:
        places: int `(n,)`, places of pictures in their `ImageBank`; -1 is the picture that stands for a missing one.
        features: float `(n, …)`.
        present: bool `(n,)`, False where there is no picture or it could not be decoded.
    """

    def __init__(self, places, features, present):
        # Place -1 is the last row. Of places that were never given a batch cannot be made: TensorFlow raises.
        rows = np.full(max(places) + 2, -1, "int32")
        rows[places] = np.arange(len(places))
        self._rows = tf.constant(rows)
        self._features = tf.constant(features)
        self._present = tf.constant(present)

    def fetch(self, index):
        """Features of some pictures, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32 `(B,)`, places in the `ImageBank`; -1 for none.

        Returns:
            tuple: float `(B, …)` and bool `(B,)`, False where there is no picture.
        """
        rows = tf.gather(self._rows, tf.where(index < 0, len(self._rows) - 1, index))
        return tf.gather(self._features, rows), tf.gather(self._present, rows)
