"""The images of a data set, each decoded once and shared by all rows and splits that show it."""

import functools

import numpy as np
import tensorflow as tf

from kerasfusion.data.image_cache import ImageCache
from kerasfusion.data.image_decoding import decode_chunks, decode_sources, image_sources, is_packed
from kerasfusion.data.images import read_shown_sizes
from kerasfusion.data.pixel_bytes import as_encoded

# Decoded pixels are kept in memory up to this many bytes; beyond, images are decoded again in every epoch, unless
# there is a cache.
MEMORY_LIMIT = 2 * 1024**3


class ImageStore:
    """Distinct encoded images, and their pixels in memory where those fit, or in a cache on disk.

    Args:
        keys: Each image once: a file's path (str), its encoded bytes or its packed pixels (`pack_pixels`).
        size: `(height, width)` that images are resized to.
        memory_limit: Keep decoded pixels up to this many bytes.
        cache_dir: Folder of a `ImageCache`, which then holds the pixels instead of memory; written if need be.

    Attributes:
        cache: The `ImageCache`, or None.
        failed: bool `(number of images,)`, True where decoding failed; all False when pixels are not kept, as
            failures then show up only while training (as missing images).
    """

    def __init__(self, keys, size, memory_limit=MEMORY_LIMIT, cache_dir=None):
        self.keys = list(keys)
        self.size = tuple(size)
        self.cache = None if cache_dir is None else ImageCache(cache_dir, self.keys, self.size)
        self.in_memory = self.cache is None and len(self.keys) * size[0] * size[1] * 3 <= memory_limit
        self.failed = np.zeros(len(self.keys), bool) if self.cache is None else self.cache.failed
        self._sources = image_sources(self.keys)
        self._packed = bool(tf.reduce_any(is_packed(self._sources[1])))
        self._pixels = self._ok = None
        if self.in_memory:
            self._decode_all()

    def _decode_all(self):
        count = len(self.keys)
        # One zero image more, at place -1, stands for "missing".
        pixels = np.zeros((count + 1, *self.size, 3), np.uint8)
        ok = np.zeros(count + 1, bool)
        start = 0
        for batch, batch_ok in decode_chunks(*self._sources, self.size):
            chunk = slice(start, start + len(batch))
            pixels[chunk], ok[chunk] = batch, batch_ok
            start = chunk.stop
        self.failed = ~ok[:count]
        self._pixels, self._ok = tf.constant(pixels), tf.constant(ok)

    def fetch(self, index):
        """Pixels of some images, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32 `(B,)`, places in `keys`; -1 for none.

        Returns:
            tuple: uint8 `(B, height, width, 3)` and bool `(B,)`, False (and zeros) where there is no image.
        """
        if self.cache is not None:
            return self.cache.fetch(index)
        if self.in_memory:
            index = tf.where(index < 0, len(self.keys), index)
            return tf.gather(self._pixels, index), tf.gather(self._ok, index)
        paths, encoded = (tf.gather(source, tf.maximum(index, 0)) for source in self._sources)
        paths, encoded = (tf.where(index < 0, "", source) for source in (paths, encoded))
        return decode_sources(paths, encoded, self.size, self._packed)

    @functools.cached_property
    def shown_sizes(self):
        """Heights and widths of the images as they are shown, int32 `(images, 2)`; 0 for unreadable ones."""
        return read_shown_sizes(self.keys)

    def with_keys(self, keys):
        """A store of other images, resized alike."""
        return ImageStore(keys, self.size)

    def for_feature(self, feature):
        """A store of the same images as another `Feature` takes them."""
        return ImageStore(self.keys, feature.size)

    def encoded(self, index):
        """The encoded bytes of one image, PNG where it came as an array; empty for -1."""
        if index < 0:
            return b""
        key = self.keys[index]
        if isinstance(key, bytes):
            return as_encoded(key)
        return tf.io.read_file(key).numpy()
