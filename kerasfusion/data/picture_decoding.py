"""Pictures that are files or bytes to pixels: some of them, or all of a data set a chunk at a time."""

import tensorflow as tf

from kerasfusion.data.steady import steady
from kerasfusion.preprocessing.image import decode_images

# Pictures decoded at a time.
CHUNK = 256


def picture_sources(keys):
    """Keys as TensorFlow takes them.

    Args:
        keys: Each picture once: a file's path (str) or its encoded bytes.

    Returns:
        tuple: tf.string `(n,)` paths, "" where there are bytes, and tf.string `(n,)` bytes, "" where there is a path.
    """
    paths = [key if isinstance(key, str) else "" for key in keys]
    encoded = [b"" if isinstance(key, str) else key for key in keys]
    return tf.constant(paths, tf.string), tf.constant(encoded, tf.string)


def decode_sources(paths, encoded, size):
    """Read and decode some pictures; what cannot be read or decoded costs its row alone.

    The files are read first, and all of them decoded then: `decode_images` looks at their beginnings and saves itself
    the longer of its two functions where no picture needs it, which halves the time of a batch of JPEGs.

    Args:
        paths: tf.string `(B,)`, as from `picture_sources`.
        encoded: tf.string `(B,)`, likewise.
        size: `(height, width)` that pictures are resized to.

    Returns:
        tuple: uint8 `(B, height, width, 3)` and bool `(B,)`, False (and zeros) where there is no picture.
    """
    rows = tf.where(paths != "")
    files = tf.data.Dataset.from_tensor_slices((rows, tf.gather_nd(paths, rows)))
    files = files.map(lambda row, path: (row, tf.io.read_file(path)), num_parallel_calls=tf.data.AUTOTUNE)
    none = tf.data.Dataset.from_tensors((tf.zeros((0, 1), tf.int64), tf.zeros((0,), tf.string)))
    files = files.ignore_errors(log_warning=False).batch(tf.maximum(tf.size(paths, tf.int64), 1))
    read, contents = files.concatenate(none).take(1).get_single_element()
    return decode_images(tf.tensor_scatter_nd_update(encoded, read, contents), size)


def decode_chunks(paths, encoded, size):
    """Decode pictures in their order. No more than three chunks are in memory at once.

    Args:
        paths: tf.string `(n,)`, as from `picture_sources`.
        encoded: tf.string `(n,)`, likewise.
        size: `(height, width)` that pictures are resized to.

    Yields:
        tuple: uint8 `(m, height, width, 3)` and bool `(m,)`, False (and zeros) where decoding failed; NumPy arrays.
    """
    chunks = tf.data.Dataset.from_tensor_slices((paths, encoded)).batch(CHUNK)
    chunks = chunks.map(lambda paths, encoded: decode_sources(paths, encoded, size)).prefetch(1)
    yield from steady(chunks).as_numpy_iterator()
