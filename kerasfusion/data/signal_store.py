"""The signals of a data set, read once and shared by all rows and splits that hold them."""

import math

import numpy as np
import tensorflow as tf

from kerasfusion.data.tf_options import without_autotune
from kerasfusion.data.wav_writing import wav_bytes
from kerasfusion.preprocessing.signal import decode_signal, fit_signal
from kerasfusion.preprocessing.wav import wav_header

# Samples are kept in memory up to this many bytes; beyond, WAV files are decoded again in every epoch.
MEMORY_LIMIT = 2 * 1024**3
CHUNK = 256


class SignalStore:
    """Distinct signals, and their samples in memory where those fit.

    Args:
        keys: Each signal once: with a rate a WAV file's path (str) or bytes; without, float32 `(samples, channels)`
            as bytes.
        length: int, number of samples of a model's input.
        channels: int.
        rate: int, samples a second that WAV files are resampled to; None for series of numbers.
        memory_limit: Keep samples up to this many bytes.

    Attributes:
        failed: bool `(number of signals,)`, True where a signal cannot be read or has no sample; all False when
            samples are not kept.
    """

    def __init__(self, keys, length, channels, rate, memory_limit=MEMORY_LIMIT):
        self.keys = list(keys)
        self.length, self.channels, self.rate = length, channels, rate
        self.in_memory = rate is None or len(self.keys) * length * 4 <= memory_limit
        self.failed = np.zeros(len(self.keys), bool)
        self._paths, self._encoded = _sources(self.keys)
        self._samples = self._ok = None
        if self.in_memory:
            self._read_all()

    @property
    def size(self):
        """What a fingerprint tells of the input beside the signals."""
        return self.length, self.channels, self.rate

    def _read_all(self):
        count = len(self.keys)
        # One zero signal more, at place -1, stands for "missing".
        samples = np.zeros((count + 1, self.length, self.channels), "float32")
        ok = np.zeros(count + 1, bool)
        start = 0
        for batch, batch_ok in self._chunks():
            chunk = slice(start, start + len(batch))
            samples[chunk], ok[chunk] = batch, batch_ok
            start = chunk.stop
        self.failed = ~ok[:count]
        self._samples, self._ok = tf.constant(samples), tf.constant(ok)

    def _chunks(self):
        if self.rate is None:
            for key in self.keys:
                samples = np.frombuffer(key, "float32").reshape(-1, self.channels)
                found, ok = fit_signal(tf.constant(samples), self.length)
                yield found[None], ok[None]
            return
        rows = tf.data.Dataset.from_tensor_slices((self._paths, self._encoded))
        rows = rows.map(self._read_one, num_parallel_calls=tf.data.AUTOTUNE).batch(CHUNK)
        yield from without_autotune(rows).as_numpy_iterator() if self.keys else ()

    def _read_one(self, path, encoded):
        return decode_signal(_contents(path, encoded), self.length, self.rate)

    def fetch(self, index):
        """Samples of some signals, in TensorFlow, for use inside `tf.data`.

        Args:
            index: int32, places in `keys`, of any shape; -1 for none.

        Returns:
            tuple: float32 `(…, length, channels)`, NaN where a sample is missing, and bool `(…)`, False (and zeros)
            where there is no signal.
        """
        if self.in_memory:
            index = tf.where(index < 0, len(self.keys), index)
            return tf.gather(self._samples, index), tf.gather(self._ok, index)
        flat = tf.reshape(index, (-1,))
        types = tf.TensorSpec((self.length, 1), tf.float32), tf.TensorSpec((), tf.bool)
        sources = (tf.where(flat < 0, "", tf.gather(s, tf.maximum(flat, 0))) for s in (self._paths, self._encoded))
        samples, ok = tf.map_fn(lambda one: self._read_one(*one), tuple(sources), fn_output_signature=types)
        return tf.reshape(samples, (*_shape(index), self.length, 1)), tf.reshape(ok, tf.shape(index))

    def with_keys(self, keys):
        """A store of other signals, read alike."""
        return SignalStore(keys, *self.size)

    def for_feature(self, feature):
        """A store of the same signals as another `Feature` takes them."""
        return SignalStore(self.keys, feature.length, feature.channels, feature.rate)

    def encoded(self, index):
        """The bytes of one signal; empty for -1."""
        if index < 0:
            return b""
        key = self.keys[index]
        return tf.io.read_file(key).numpy() if isinstance(key, str) else key

    def samples(self, index):
        """float32 `(length, channels)` of one signal, NaN where a sample is missing; NaN alone for -1."""
        found, ok = self.fetch(tf.constant([index], tf.int32))
        return np.where(ok.numpy()[:, None, None], found.numpy(), np.nan)[0]


def read_headers(keys):
    """Headers of WAV files.

    Args:
        keys: Paths (str) or bytes.

    Returns:
        tuple: bool `(n,)`, whether the samples can be read, and int64 `(n, 3)`: number of samples, rate, channels.
    """
    if not keys:
        return np.zeros(0, bool), np.zeros((0, 3), "int64")

    def header(path, encoded):
        found = wav_header(_contents(path, encoded))
        return found["ok"], tf.stack([found[name] for name in ("frames", "rate", "channels")])

    rows = tf.data.Dataset.from_tensor_slices(_sources(keys)).map(header, num_parallel_calls=tf.data.AUTOTUNE)
    found = list(without_autotune(rows.batch(CHUNK)).as_numpy_iterator())
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def as_key(samples, rate):
    """The key of an array `(samples, channels)`: a WAV file of floating-point numbers; without a rate its bytes."""
    samples = np.ascontiguousarray(samples, "<f4")
    return samples.tobytes() if rate is None else wav_bytes(samples, rate)


def resampled_length(samples, rate, target):
    """Number of samples at another rate."""
    divisor = math.gcd(int(rate), int(target))
    return -(-int(samples) * (int(target) // divisor) // (int(rate) // divisor))


def _sources(keys):
    """Keys as TensorFlow takes them: paths and bytes, each "" where there is the other."""
    paths = [key if isinstance(key, str) else "" for key in keys]
    encoded = [b"" if isinstance(key, str) else key for key in keys]
    return tf.constant(paths, tf.string), tf.constant(encoded, tf.string)


def _contents(path, encoded):
    return tf.cond(path == "", lambda: encoded, lambda: tf.io.read_file(path))


def _shape(tensor):
    static, dynamic = tensor.shape, tf.shape(tensor)
    return [dynamic[axis] if side is None else side for axis, side in enumerate(static)]
