"""The pictures of a data set, each decoded once and shared by all rows and splits that show it."""

import numpy as np
import tensorflow as tf

from kerasfusion.preprocessing.image import decode_images

# Decoded pixels are kept in memory up to this many bytes; beyond, pictures are decoded again in every epoch.
MEMORY_LIMIT = 2 * 1024**3


class ImageBank:
    """Distinct encoded pictures, and their pixels where those fit into memory.

    Args:
        keys: Each picture once: a file's path (str) or its encoded bytes.
        size: `(height, width)` that pictures are resized to.
        memory_limit: Keep decoded pixels up to this many bytes.

    Attributes:
        failed: bool `(number of pictures,)`, True where decoding failed; all False when pixels are not kept, as
            failures then show up only while training (as missing pictures).
    """

    def __init__(self, keys, size, memory_limit=MEMORY_LIMIT):
        self.keys = list(keys)
        self.size = tuple(size)
        self.in_memory = len(self.keys) * size[0] * size[1] * 3 <= memory_limit
        self.failed = np.zeros(len(self.keys), bool)
        is_path = np.array([isinstance(key, str) for key in self.keys], bool)
        encoded = tf.constant([b"" if path else key for key, path in zip(self.keys, is_path, strict=True)], tf.string)
        paths = tf.constant([key if path else "" for key, path in zip(self.keys, is_path, strict=True)], tf.string)
        self._sources = (paths, encoded)
        self._pixels = self._ok = None
        if self.in_memory:
            self._decode_all()

    def _decode_all(self):
        count = len(self.keys)
        # One zero picture more, at place -1, stands for "missing".
        pixels = np.zeros((count + 1, *self.size, 3), np.uint8)
        ok = np.zeros(count + 1, bool)
        chunks = tf.data.Dataset.from_tensor_slices((np.arange(count), *self._sources)).batch(256)
        chunks = chunks.map(lambda i, path, encoded: (i, *decode_images(encoded, self.size, paths=path)))
        for index, batch, batch_ok in chunks.prefetch(1).as_numpy_iterator():
            pixels[index], ok[index] = batch, batch_ok
        self.failed = ~ok[:count]
        self._pixels, self._ok = tf.constant(pixels), tf.constant(ok)

    def fetch(self, index):
        """Pixels of some pictures, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32 `(B,)`, places in `keys`; -1 for none.

        Returns:
            tuple: uint8 `(B, height, width, 3)` and bool `(B,)`, False (and zeros) where there is no picture.
        """
        if self.in_memory:
            index = tf.where(index < 0, len(self.keys), index)
            return tf.gather(self._pixels, index), tf.gather(self._ok, index)
        paths, encoded = (tf.gather(source, tf.maximum(index, 0)) for source in self._sources)
        paths, encoded = (tf.where(index < 0, "", source) for source in (paths, encoded))
        return decode_images(encoded, self.size, paths=paths)

    def encoded(self, index):
        """The encoded bytes of one picture; empty for -1."""
        if index < 0:
            return b""
        key = self.keys[index]
        if isinstance(key, bytes):
            return key
        return tf.io.read_file(key).numpy()
