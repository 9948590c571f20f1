"""The videos of a data set, the frames of each decoded once and shared by all rows and splits that show it."""

import functools

import numpy as np
import tensorflow as tf

from kerasfusion.data.image_store import ImageStore
from kerasfusion.data.pixel_bytes import pack_pixels
from kerasfusion.preprocessing.animated_gif import decode_gif
from kerasfusion.preprocessing.video import fill_frames, sample_places

# GIFs decoded at a time: each is decoded whole.
_SIDE_BY_SIDE = 4


class VideoStore:
    """Distinct videos of as many frames each, kept as the images of an `ImageStore`.

    Args:
        keys: Each video once: a tuple of its frames as keys of an `ImageStore`. A frame that cannot be read is empty
            bytes.
        length: Number of frames of each.
        size: `(height, width)` that frames are resized to.
        cache_dir: Folder of an `ImageCache` of the frames; see `ImageStore`.

    Attributes:
        images: The `ImageStore` of the frames.
        failed: bool `(number of videos,)`, True where no frame could be decoded; all False when pixels are not kept.
    """

    def __init__(self, keys, length, size, cache_dir=None):
        self.keys = list(keys)
        self.length = length
        self.size = tuple(size)
        places = {}
        frames = [[places.setdefault(frame, len(places)) for frame in key] for key in self.keys]
        # One more, at place -1, stands for "missing".
        self._frames = np.full((len(self.keys) + 1, length), -1, "int32")
        self._frames[:-1] = np.asarray(frames, "int32").reshape(-1, length)
        self.images = ImageStore(list(places), size, cache_dir=cache_dir)
        unread = np.append(self.images.failed, False)
        self.failed = unread[self._frames[:-1]].all(axis=1)
        self.damaged = unread[self._frames[:-1]].any(axis=1) & ~self.failed

    @property
    def cache(self):
        """The `ImageCache` of the frames, or None."""
        return self.images.cache

    def fetch(self, index):
        """Frames of some videos, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32, places in `keys`, of any shape; -1 for none.

        Returns:
            tuple: uint8 `(…, length, height, width, 3)` and bool `(…)`, False (and zeros) where there is no video.
        """
        index = tf.convert_to_tensor(index)
        flat = tf.reshape(index, (-1,))
        places = tf.gather(self._frames, tf.where(flat < 0, len(self.keys), flat))
        pixels, ok = self.images.fetch(tf.reshape(places, (-1,)))
        pixels, ok = tf.reshape(pixels, (-1, self.length, *self.size, 3)), tf.reshape(ok, (-1, self.length))
        pixels, ok = fill_frames(pixels, ok), tf.reduce_any(ok, axis=1)
        if index.shape.rank != 1:
            pixels = tf.reshape(pixels, tf.concat([tf.shape(index), tf.shape(pixels)[1:]], axis=0))
            pixels = tf.ensure_shape(pixels, (*index.shape, self.length, *self.size, 3))
            ok = tf.reshape(ok, tf.shape(index))
        return pixels, ok

    def with_keys(self, keys):
        """A store of other videos, sampled and resized alike."""
        return VideoStore(keys, self.length, self.size)

    def for_feature(self, feature):
        """A store of the same videos as another `Feature` takes them: of the frames that were sampled."""
        places = sample_places(tf.constant(self.length), feature.length).numpy()
        keys = [tuple(key[place] for place in places) for key in self.keys]
        return VideoStore(keys, feature.length, feature.size)

    def encoded(self, index):
        """The encoded frames of one video, a list of bytes: PNG where it came as a video file; empty bytes for -1."""
        return [self.images.encoded(place) for place in self._frames[index]]


def sampled(frames, length):
    """A tuple of `length` evenly spaced frames of a video; one of fewer shows each of them several times."""
    places = sample_places(tf.constant(len(frames)), length).numpy()
    return tuple(frames[place] for place in places)


def read_gifs(contents, length, size, max_pixels):
    """Decode animated GIFs and take evenly spaced frames, as an exported model does.

    Args:
        contents: Paths (str) or bytes.
        length: Number of frames.
        size: `(height, width)` that they are resized to.
        max_pixels: Most pixels of all frames of a GIF together.

    Yields:
        A tuple of `length` packed frames for each GIF; None where it cannot be decoded.
    """
    if not contents:
        return
    paths = [content if isinstance(content, str) else "" for content in contents]
    encoded = [b"" if isinstance(content, str) else content for content in contents]

    read = _gif_reader((length, *size), max_pixels)
    rows = tf.data.Dataset.from_tensor_slices((tf.range(len(contents)), paths, encoded))
    rows = rows.map(read, num_parallel_calls=_SIDE_BY_SIDE).ignore_errors(log_warning=False)
    done = 0
    for number, frames in rows.as_numpy_iterator():
        yield from [None] * (number - done)
        yield tuple(map(pack_pixels, frames))
        done = number + 1
    yield from [None] * (len(contents) - done)


@functools.lru_cache(maxsize=8)
def _gif_reader(size, max_pixels):
    """The function of `read_gifs`, whose graph takes a second to make."""

    @tf.function(input_signature=[tf.TensorSpec((), kind) for kind in (tf.int32, tf.string, tf.string)])
    def read(number, path, encoded):
        encoded = tf.cond(path == "", lambda: encoded, lambda: tf.io.read_file(path))
        return number, decode_gif(encoded, size, max_pixels)

    return read
