"""What a frozen network makes of each image or text, in place of the image's pixels or the text's token ids."""

import numpy as np
import tensorflow as tf


class FeatureStore:
    """Features in memory, or on disk, fetched as an `ImageStore` gives pixels.

    A batch holds them as `<feature>_features` in place of `<feature>`.

    Args:
        places: int `(n,)`, places of images in their `ImageStore`, or of texts in their `TokenStore`; -1 is the one
            that stands for a missing one.
        features: float `(n, …)`, or a function int64 `(B,)` -> float16 `(B, …)` that reads rows from disk.
        present: bool `(n,)`, False where there is no image or text, or it could not be decoded.
        shape: Shape of a row, if `features` is a function.

    Attributes:
        tokens: Optional `TokenStore` of the same texts, for a model that reads their ids beside the features.
    """

    def __init__(self, places, features, present, shape=None):
        # Place -1 is the last row. Of places that were never given a batch cannot be made: TensorFlow raises.
        rows = np.full(max(places) + 2, -1, "int32")
        rows[places] = np.arange(len(places))
        self._rows = tf.constant(rows)
        self._present = tf.constant(present)
        self._shape = shape
        self.tokens = None
        self._features = features if callable(features) else tf.constant(features)

    def fetch(self, index):
        """Features of some images or texts, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32 of any shape, places; -1 for none.

        Returns:
            tuple: float `(*index.shape, …)` and bool of the shape of `index`, False where there is none.
        """
        rows = tf.gather(self._rows, tf.where(index < 0, len(self._rows) - 1, index))
        return self._read(rows), tf.gather(self._present, rows)

    def _read(self, rows):
        if not callable(self._features):
            return tf.gather(self._features, rows)
        flat = tf.numpy_function(self._features, [tf.reshape(rows, (-1,))], tf.float16)
        read = tf.reshape(flat, tf.concat([tf.shape(rows), self._shape], axis=0))
        return tf.ensure_shape(read, (*rows.shape, *self._shape))


class TokenStore:
    """The distinct texts of some splits, fetched as an `ImageStore` gives pixels.

    Args:
        ids: int32 `(n, L)`, token ids of distinct texts.
    """

    def __init__(self, ids):
        # One empty text more, at place -1, stands for "missing".
        self._ids = tf.constant(np.concatenate([ids, np.zeros_like(ids[:1])]))

    def fetch(self, index):
        """Token ids int32 `(B, L)`, and bool `(B,)`, False for an empty text; `index` int32 `(B,)`, -1 for none."""
        ids = tf.gather(self._ids, tf.where(index < 0, len(self._ids) - 1, index))
        return ids, tf.reduce_any(ids != 0, axis=-1)
