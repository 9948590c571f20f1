"""Files, encoded bytes and packed pixels to the pixels of a model: some, or a whole data set a chunk at a time."""

from pathlib import Path

import tensorflow as tf

from kerasfusion.bounds import MOST_BLOCK_STEPS, MOST_SCANS, MOST_SEGMENTS
from kerasfusion.data.pixel_bytes import MAGIC, SHAPE, START
from kerasfusion.data.tf_options import without_autotune
from kerasfusion.preprocessing.exif import exif_orientation
from kerasfusion.preprocessing.gif import first_frame
from kerasfusion.preprocessing.image import decode_image, decode_images, decode_rows, fit_pixels
from kerasfusion.preprocessing.jpeg import has_too_many_scans

# Images decoded at a time.
CHUNK = 256


def image_sources(keys):
    """Keys as TensorFlow takes them.

    Args:
        keys: Each image once: a file's path (str) or its encoded bytes.

    Returns:
        tuple: tf.string `(n,)` paths, "" where there are bytes, and tf.string `(n,)` bytes, "" where there is a path.
    """
    paths = [key if isinstance(key, str) else "" for key in keys]
    encoded = [b"" if isinstance(key, str) else key for key in keys]
    return tf.constant(paths, tf.string), tf.constant(encoded, tf.string)


def decode_sources(paths, encoded, size, packed=False):
    """Read and decode some images; what cannot be read or decoded costs its row alone.

    The files are read first, and all of them decoded then: `decode_images` looks at their beginnings and saves itself
    the longer of its two functions where no image needs it, which halves the time of a batch of JPEGs.

    Args:
        paths: tf.string `(B,)`, as from `image_sources`.
        encoded: tf.string `(B,)`, likewise.
        size: `(height, width)` that images are resized to.
        packed: Whether some are packed pixels. Their ops are not traced where none are.

    Returns:
        tuple: uint8 `(B, height, width, 3)` and bool `(B,)`, False (and zeros) where there is no image.
    """
    rows = tf.where(paths != "")
    files = tf.data.Dataset.from_tensor_slices((rows, tf.gather_nd(paths, rows)))
    files = files.map(lambda row, path: (row, tf.io.read_file(path)), num_parallel_calls=tf.data.AUTOTUNE)
    none = tf.data.Dataset.from_tensors((tf.zeros((0, 1), tf.int64), tf.zeros((0,), tf.string)))
    files = files.ignore_errors(log_warning=False).batch(tf.maximum(tf.size(paths, tf.int64), 1))
    read, contents = files.concatenate(none).take(1).get_single_element()
    encoded = tf.tensor_scatter_nd_update(encoded, read, contents)
    return decode_rows(_unpack_or_decode, encoded, size) if packed else decode_images(encoded, size)


def is_packed(cells):
    """Which cells, tf.string `(B,)`, are packed pixels: bool `(B,)`."""
    return tf.strings.substr(cells, 0, len(MAGIC)) == MAGIC


def _unpack_or_decode(cell, size, max_pixels):
    return tf.cond(is_packed(cell), lambda: _unpack(cell, size), lambda: decode_image(cell, size, max_pixels))


def _unpack(cell, size):
    shape = tf.io.decode_raw(tf.strings.substr(cell, len(MAGIC), SHAPE.size), tf.int32)
    pixels = tf.io.decode_raw(tf.strings.substr(cell, START, -1), tf.uint8)
    pixels = fit_pixels(tf.ensure_shape(tf.reshape(pixels, shape), (None, None, None)), size)
    pixels = tf.cond(tf.shape(pixels)[-1] == 1, lambda: tf.repeat(pixels, 3, axis=-1), lambda: pixels)
    return tf.ensure_shape(pixels, (*size, 3))


def decode_chunks(paths, encoded, size):
    """Decode images in their order. No more than three chunks are in memory at once.

    Args:
        paths: tf.string `(n,)`, as from `image_sources`.
        encoded: tf.string `(n,)`, likewise.
        size: `(height, width)` that images are resized to.

    Yields:
        tuple: uint8 `(m, height, width, 3)` and bool `(m,)`, False (and zeros) where decoding failed; NumPy arrays.
    """
    packed = bool(tf.reduce_any(is_packed(encoded)))
    chunks = tf.data.Dataset.from_tensor_slices((paths, encoded)).batch(CHUNK)
    chunks = chunks.map(lambda paths, encoded: decode_sources(paths, encoded, size, packed)).prefetch(1)
    yield from without_autotune(chunks).as_numpy_iterator()


def why_undecodable(key):
    """Say why an image with a sound header was not decoded.

    Args:
        key: A file's path (str) or its encoded bytes.

    Returns:
        str, one of the limits on what decoding may cost, or damage.
    """
    encoded = key if isinstance(key, bytes) else Path(key).read_bytes()
    scans, segments, blocks = _over_limits(tf.constant(encoded)).numpy()
    if encoded.startswith(b"\xff\xd8") and (scans or segments):
        return f"JPEG of over {MOST_SCANS} scans or {MOST_SEGMENTS:,} segments (save it again)"
    if encoded.startswith(b"GIF8") and blocks:
        return f"GIF whose first frame is over {MOST_BLOCK_STEPS:,} blocks away or long (save it again)"
    return "image cannot be decoded (cut off or damaged)"


@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def _over_limits(encoded):
    return tf.stack([has_too_many_scans(encoded), exif_orientation(encoded) == 0, first_frame(encoded)[0] == b""])
