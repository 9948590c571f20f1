"""Encoded image bytes to pixels, by the same TensorFlow code in training and inside a SavedModel."""

import tensorflow as tf

from kerasfusion.bounds import MOST_PIXELS
from kerasfusion.preprocessing.alpha import over_white, resize_over_white
from kerasfusion.preprocessing.exif import exif_orientation, turn_upright
from kerasfusion.preprocessing.image_formats import decode_pixels, decode_plain, is_plain


def decode_image(encoded, size, max_pixels=MOST_PIXELS):
    """One encoded image to pixels of the wanted size.

    A JPEG that a turned camera took is turned upright (EXIF). Transparent pixels become white. 16-bit grey or color
    becomes 8-bit. All this is part of the graph, so a SavedModel sees what training saw.

    Args:
        encoded: tf.string scalar: JPEG, PNG, GIF (first frame), BMP or WebP (no animation); grey, palette, CMYK and
            alpha are converted, see `decode_pixels`.
        size: `(height, width)` in pixels. The image is squeezed to it, with antialiasing when it shrinks.
        max_pixels: Refuse images of more pixels.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: when run, if the bytes are no such image, or over a limit (`max_pixels`, and
            those in `kerasfusion.bounds`).
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
    return tf.ensure_shape(_fitted(pixels, size), (*size, 3))


# Its operations would cost a plain image more than the decoding of a small one, even unused: as a function that is
# not inlined they cost one. Traced once for all sizes.
@tf.function(
    input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.int64)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _any_image(encoded, size, max_pixels):
    orientation = exif_orientation(encoded)
    # Turned and given three channels after it is resized: there are fewer pixels then.
    size = tf.where(orientation >= 5, size[::-1], size)
    # What may be turned unseen is refused: the decoder takes no empty string.
    pixels = decode_pixels(tf.where(orientation == 0, b"", encoded), max_pixels)
    pixels = tf.cond(
        tf.shape(pixels)[-1] % 2 == 0, lambda: _fitted_over_white(pixels, size), lambda: _fitted(pixels, size)
    )
    pixels = tf.cond(tf.shape(pixels)[-1] == 1, lambda: tf.repeat(pixels, 3, axis=-1), lambda: pixels)
    return turn_upright(tf.ensure_shape(pixels, (None, None, 3)), orientation)


def _fitted(pixels, size):
    """The pixels resized, or as they are where they have the size already."""
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    return tf.cond(fits, lambda: pixels, lambda: _rounded(tf.image.resize(pixels, size, antialias=True)))


def _fitted_over_white(pixels, size):
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    return tf.cond(fits, lambda: over_white(pixels), lambda: _rounded(resize_over_white(pixels, size)))


def _rounded(pixels):
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def decode_images(encoded, size, paths=None, max_pixels=MOST_PIXELS):
    """A batch of encoded images to pixels; what cannot be decoded costs its row, not the batch.

    Args:
        encoded: tf.string `(B,)`. An empty string is a missing image.
        size: `(height, width)` in pixels.
        paths: Optional tf.string `(B,)`: where one is not empty, this file is read instead.
        max_pixels: Images of more pixels count as undecodable.

    Returns:
        tuple: uint8 `(B, height, width, 3)`, zeros where there is no image, and bool `(B,)`, True where there is.
    """
    encoded = tf.convert_to_tensor(encoded)
    if paths is not None:
        return _decode_rows(decode_image, encoded, size, max_pixels, paths)
    # The longer function costs a request more than decoding a small image: not for plain images or missing ones.
    return tf.cond(
        tf.reduce_all(is_plain(encoded) | (encoded == b"")),
        lambda: _decode_rows(_plain_image, encoded, size, max_pixels),
        lambda: _decode_rows(decode_image, encoded, size, max_pixels),
    )


def _decode_rows(decode_one, encoded, size, max_pixels, paths=None):
    count = tf.size(encoded)
    # `ignore_errors` drops the rows that fail, so each row carries its number and the others find their places.
    rows = tf.data.Dataset.from_tensor_slices((tf.range(count), encoded if paths is None else paths, encoded))

    def decode(index, path, encoded):
        if paths is not None:
            encoded = tf.cond(tf.strings.length(path) > 0, lambda: tf.io.read_file(path), lambda: encoded)
        return index, decode_one(encoded, size, max_pixels)

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
