"""Encoded image bytes to pixels, by the same TensorFlow code in training and inside a SavedModel."""

import tensorflow as tf


def decode_image(encoded, size):
    """One encoded picture to pixels of the wanted size.

    Args:
        encoded: tf.string scalar: JPEG, PNG, GIF (first frame), BMP or WebP; grey, palette and alpha are converted.
        size: `(height, width)` in pixels. The picture is squeezed to it, with antialiasing when it shrinks.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: when run, if the bytes are no picture.
    """
    pixels = tf.image.decode_image(encoded, channels=3, expand_animations=False)
    pixels.set_shape((None, None, 3))
    # A picture of the right size already passes through unchanged, and cheaply.
    fits = tf.reduce_all(tf.shape(pixels)[:2] == tf.constant(size, tf.int32))
    pixels = tf.cond(fits, lambda: pixels, lambda: _resize(pixels, size))
    return tf.ensure_shape(pixels, (*size, 3))


def _resize(pixels, size):
    resized = tf.image.resize(pixels, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def decode_images(encoded, size, paths=None):
    """A batch of encoded pictures to pixels; what cannot be decoded costs its row, not the batch.

    Args:
        encoded: tf.string `(B,)`. An empty string is a missing picture.
        size: `(height, width)` in pixels.
        paths: Optional tf.string `(B,)`: where one is not empty, this file is read instead.

    Returns:
        tuple: uint8 `(B, height, width, 3)`, zeros where there is no picture, and bool `(B,)`, True where there is.
    """
    count = tf.size(encoded)
    # `ignore_errors` drops the rows that fail, so each row carries its number and the others find their places.
    rows = tf.data.Dataset.from_tensor_slices((tf.range(count), encoded if paths is None else paths, encoded))

    def decode(index, path, encoded):
        if paths is not None:
            encoded = tf.cond(tf.strings.length(path) > 0, lambda: tf.io.read_file(path), lambda: encoded)
        return index, decode_image(encoded, size)

    rows = rows.map(decode, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors(log_warning=False)
    # One batch holds all that is left; the batch of none behind it is taken where nothing is left.
    none = tf.data.Dataset.from_tensors((tf.zeros((0,), tf.int32), tf.zeros((0, *size, 3), tf.uint8)))
    batch = rows.batch(tf.cast(tf.maximum(count, 1), tf.int64)).concatenate(none).take(1)
    index, pixels = batch.get_single_element()
    image_ok = tf.scatter_nd(index[:, None], tf.ones_like(index), [count]) > 0

    def spread():
        return tf.scatter_nd(index[:, None], pixels, tf.stack([count, *size, 3]))

    # Scattering uint8 is slow, and needed only where a row failed.
    pixels = tf.cond(tf.reduce_all(image_ok), lambda: pixels, spread)
    return tf.ensure_shape(pixels, (None, *size, 3)), image_ok
