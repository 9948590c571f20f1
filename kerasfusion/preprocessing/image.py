"""Decode and resize images, as TensorFlow ops shared by training and SavedModels."""

import tensorflow as tf

from kerasfusion.bounds import MOST_PIXELS
from kerasfusion.preprocessing.alpha import over_white, resize_over_white
from kerasfusion.preprocessing.exif import exif_orientation, turn_upright
from kerasfusion.preprocessing.image_formats import decode_pixels, decode_plain, is_plain, stored_size


def decode_image(encoded, size, max_pixels=MOST_PIXELS):
    """Decode one image and resize it.

    The EXIF orientation of a JPEG is undone, transparent pixels become white, and 16-bit images become 8-bit. All of
    it is part of the graph, so a SavedModel sees the same pixels as training.

    Args:
        encoded: tf.string scalar: JPEG, PNG, GIF (first frame), BMP or WebP (not animated). Grey, palette, CMYK and
            alpha images are converted, see `decode_pixels`.
        size: tuple `(height, width)` in pixels. The aspect ratio is not kept; downscaling is antialiased.
        max_pixels: int, maximum number of pixels. Defaults to `MOST_PIXELS`.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: At run time, if the bytes are not a supported image, or it exceeds a limit
            (`max_pixels`, or those in `kerasfusion.bounds`).

    Example:

    ```python
    pixels = kf.preprocessing.decode_image(tf.io.read_file("photo.jpg"), (64, 64))
    ```
    """
    pixels = tf.cond(
        is_plain(encoded),
        lambda: _plain_image(encoded, size, max_pixels),
        lambda: _any_image(encoded, size, max_pixels),
    )
    return tf.ensure_shape(pixels, (*size, 3))


def _plain_image(encoded, size, max_pixels):
    pixels = decode_plain(encoded, max_pixels)
    pixels.set_shape((None, None, 3))
    return tf.ensure_shape(fit_pixels(pixels, size), (*size, 3))


# Not inlined, so that it costs a plain image a single op: its ops cost more than decoding a small image, even unused.
# Traced once for all sizes.
@tf.function(
    input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.int64)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _any_image(encoded, size, max_pixels):
    orientation = exif_orientation(encoded)
    # Rotate and convert to three channels after resizing, when there are fewer pixels.
    size = tf.where(orientation >= 5, _swapped(size), size)
    # Reject an image of unknown orientation: the decoder fails on an empty string.
    pixels = decode_pixels(tf.where(orientation == 0, b"", encoded), max_pixels)
    pixels = tf.cond(
        tf.shape(pixels)[-1] % 2 == 0, lambda: _fitted_over_white(pixels, size), lambda: fit_pixels(pixels, size)
    )
    pixels = tf.cond(tf.shape(pixels)[-1] == 1, lambda: tf.repeat(pixels, 3, axis=-1), lambda: pixels)
    return turn_upright(tf.ensure_shape(pixels, (None, None, 3)), orientation)


def _swapped(size):
    """Height and width as width and height."""
    # Not size[::-1]: TensorFlow's layout optimizer fails on a negative stride over what becomes a shape.
    return tf.reverse(size, [0])


def fit_pixels(pixels, size):
    """Resize an image `(H, W, C)`, or several of one size `(N, H, W, C)`, unless it already has the size."""
    fits = tf.reduce_all(tf.shape(pixels)[-3:-1] == size)
    return tf.cond(fits, lambda: pixels, lambda: _rounded(tf.image.resize(pixels, size, antialias=True)))


def _fitted_over_white(pixels, size):
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    return tf.cond(fits, lambda: over_white(pixels), lambda: _rounded(resize_over_white(pixels, size)))


def _rounded(pixels):
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def decode_images(encoded, size, paths=None, max_pixels=MOST_PIXELS):
    """Decode and resize a batch of images. An image that cannot be decoded does not fail the batch.

    Args:
        encoded: tf.string `(B,)`. An empty string is a missing image.
        size: tuple `(height, width)` in pixels.
        paths: tf.string `(B,)`, files to read instead where not empty. Defaults to `None`.
        max_pixels: int. Larger images count as undecodable. Defaults to `MOST_PIXELS`.

    Returns:
        tuple: uint8 `(B, height, width, 3)`, zeros for missing and undecodable images, and bool `(B,)`, `True` for
        decoded images.

    Example:

    ```python
    pixels, image_ok = kf.preprocessing.decode_images([png_bytes, b""], (64, 64))
    ```
    """
    encoded = tf.convert_to_tensor(encoded)
    if paths is not None:
        return decode_rows(decode_image, encoded, size, max_pixels, paths)
    # The general function costs a request more than decoding a small image, so plain and missing images avoid it.
    return tf.cond(
        tf.reduce_all(is_plain(encoded) | (encoded == b"")),
        lambda: decode_rows(_plain_image, encoded, size, max_pixels),
        lambda: decode_rows(decode_image, encoded, size, max_pixels),
    )


def shown_sizes(encoded, readable):
    """Height and width of each image as it is shown, its EXIF orientation undone.

    Args:
        encoded: tf.string `(B,)`.
        readable: bool `(B,)`, as from `decode_images`.

    Returns:
        int64 `(B, 2)`; zeros for images that cannot be read.
    """

    def size(row):
        encoded, readable = row
        return tf.cond(readable, lambda: _shown_size(encoded), lambda: tf.zeros((2,), tf.int64))

    return tf.map_fn(size, (encoded, readable), fn_output_signature=tf.TensorSpec((2,), tf.int64))


def _shown_size(encoded):
    size = stored_size(encoded)
    return tf.where(exif_orientation(encoded) >= 5, _swapped(size), size)


def decode_rows(decode_one, encoded, size, max_pixels=MOST_PIXELS, paths=None):
    """Decode a batch with a function of one image, as `decode_images` does; an image that raises costs its row."""
    count = tf.size(encoded)
    # `ignore_errors` drops rows that fail, so each row carries its index.
    rows = tf.data.Dataset.from_tensor_slices((tf.range(count), encoded if paths is None else paths, encoded))

    def decode(index, path, encoded):
        if paths is not None:
            encoded = tf.cond(tf.strings.length(path) > 0, lambda: tf.io.read_file(path), lambda: encoded)
        return index, decode_one(encoded, size, max_pixels)

    rows = rows.map(decode, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors(log_warning=False)
    # One batch holds all remaining rows; the empty batch after it is used if none remain.
    none = tf.data.Dataset.from_tensors((tf.zeros((0,), tf.int32), tf.zeros((0, *size, 3), tf.uint8)))
    batch = rows.batch(tf.cast(tf.maximum(count, 1), tf.int64)).concatenate(none).take(1)
    index, pixels = batch.get_single_element()
    image_ok = tf.scatter_nd(index[:, None], tf.ones_like(index), [count]) > 0

    def spread():
        return tf.scatter_nd(index[:, None], pixels, tf.stack([count, *size, 3]))

    # Scattering uint8 is slow, and only needed if a row failed.
    pixels = tf.cond(tf.reduce_all(image_ok), lambda: pixels, spread)
    return tf.ensure_shape(pixels, (None, *size, 3)), image_ok
