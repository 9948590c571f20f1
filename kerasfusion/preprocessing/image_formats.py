"""Decoding of the supported image formats, with limits and fixes that TensorFlow's decoder lacks."""

import tensorflow as tf

from kerasfusion.preprocessing.gif import first_frame
from kerasfusion.preprocessing.jpeg import has_few_scans, has_too_many_scans

_JPEG, _PNG, _GIF, _BMP, _WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"RIFF"
# A height that exceeds any limit with any width.
_REFUSED = 2**40


def is_plain(encoded):
    """Check whether `decode_plain` gives the same result as `decode_pixels`, which is slower.

    Args:
        encoded: tf.string of any shape.

    Returns:
        bool of the same shape, `True` for a JPEG with few scans and without metadata and for a grey or RGB PNG.
    """
    header = tf.io.decode_raw(tf.strings.substr(encoded, 0, 26), tf.uint8, fixed_length=26)

    def says(start, data):
        return tf.reduce_all(header[..., start : start + len(data)] == tf.constant(list(data), tf.uint8), axis=-1)

    # The quantization tables follow the 16 bytes of the JFIF header.
    jpeg = says(0, _JPEG + b"\xe0\0\x10") & says(20, b"\xff\xdb")
    return jpeg & has_few_scans(encoded) | says(0, _PNG) & (says(25, b"\0") | says(25, b"\2"))


def decode_plain(encoded, max_pixels):
    """Decode images for which `is_plain` holds, to three channels."""
    is_jpeg = tf.strings.substr(encoded, 0, 3) == _JPEG
    height, width = tf.cond(is_jpeg, lambda: _stored_sides(encoded), lambda: _png_sides(encoded))
    return _decode(encoded, height, width, max_pixels, channels=3)


def decode_pixels(encoded, max_pixels):
    """Decode one image to its pixels as stored; the EXIF orientation is not undone.

    Args:
        encoded: tf.string scalar: JPEG, PNG, GIF (first frame), BMP or WebP (not animated).
        max_pixels: int or int64 scalar, maximum number of pixels.

    Returns:
        uint8 `(h, w, c)`: grey, grey with alpha, RGB or RGBA. Transparent pixels of a GIF are black; the alpha of a
        BMP is ignored.

    Raises:
        tf.errors.InvalidArgumentError: At run time, if the bytes are not a supported image, or it has too many
            pixels, JPEG scans (`MOST_SCANS`) or GIF blocks.
    """
    encoded, height, width, is_bmp = _still(encoded)
    # With channels=0, the decoder returns the channels of the file.
    pixels = _decode(encoded, height, width, max_pixels, channels=0)
    pixels = tf.cond(is_bmp, lambda: _bmp_colors(encoded, pixels), lambda: pixels)
    return tf.ensure_shape(pixels, (None, None, None))


def stored_size(encoded):
    """Height and width of an image that can be decoded, as its file stores it: int64 `(2,)`.

    Args:
        encoded: tf.string scalar, as for `decode_pixels`.
    """
    _, height, width, _ = _still(encoded)
    return tf.stack([height, width])


def _still(encoded):
    """The bytes of a single image, its height and width by its header, and whether it is a BMP."""
    formats = {
        _JPEG: lambda: (encoded, *_jpeg_sides(encoded)),
        _PNG: lambda: (encoded, *_png_sides(encoded)),
        _GIF: lambda: first_frame(encoded),
        _BMP: lambda: (encoded, *_bmp_sides(encoded)),
        _WEBP: lambda: (encoded, *_webp_sides(encoded)),
    }
    begins = [tf.strings.substr(encoded, 0, len(beginning)) == beginning for beginning in formats]
    nothing = tf.constant(b""), tf.zeros((), tf.int64), tf.zeros((), tf.int64)
    # The first match; the last entry always matches.
    place = tf.argmax(tf.cast(tf.stack([*begins, True]), tf.int32), output_type=tf.int32)
    encoded, height, width = tf.switch_case(place, [*formats.values(), lambda: nothing])
    return encoded, height, width, begins[list(formats).index(_BMP)]


def _decode(encoded, height, width, max_pixels, channels):
    """Decode if the image is not too large: a file of a few bytes can decode to gigabytes."""
    few = (height <= max_pixels) & (width <= max_pixels) & (height * width <= max_pixels)
    # The decoder fails on an empty string.
    encoded = tf.where(few, encoded, b"")
    return tf.image.decode_image(encoded, channels=channels, expand_animations=False)


def _jpeg_sides(encoded):
    height, width = _stored_sides(encoded)
    return _refused_if(has_too_many_scans(encoded), height), width


def _stored_sides(encoded):
    height, width, _ = tf.unstack(tf.cast(tf.image.extract_jpeg_shape(encoded), tf.int64), 3)
    return height, width


def _png_sides(encoded):
    width, height = _numbers(encoded, 16, tf.int32, 2, little_endian=False)
    return height, width


def _bmp_sides(encoded):
    width, height = _numbers(encoded, 18, tf.int32, 2)
    (compression,) = _numbers(encoded, 30, tf.int32)
    # The decoder mistakes run-length encoding for pixels. A negative height means that rows run from top to bottom.
    return _refused_if((compression != 0) & (compression != 3), tf.abs(height)), width


def _bmp_colors(encoded, pixels):
    def paletted():
        # The decoder returns palette indices as grey values.
        (length,) = _numbers(encoded, 14, tf.int32)
        data = tf.strings.substr(encoded, tf.cast(14 + length, tf.int32), 4 * 256)
        colors = tf.reshape(tf.io.decode_raw(data, tf.uint8, fixed_length=4 * 256), (256, 4))[:, 2::-1]
        return tf.gather(colors, tf.cast(pixels[..., 0], tf.int32))

    return tf.cond(tf.shape(pixels)[-1] == 1, paletted, lambda: pixels[..., :3])


def _webp_sides(encoded):
    kind = tf.strings.substr(encoded, 12, 4)

    def extended():
        # Three bytes each, after the flags.
        width, height = (_numbers(encoded, start, tf.int32)[0] % 2**24 + 1 for start in (24, 27))
        # The decoder writes out of bounds on some animations, so they must not reach it.
        (flags,) = _numbers(encoded, 20, tf.int32)
        return _refused_if(flags // 2 % 2 == 1, height), width

    def lossless():
        # 14 bits of width, followed by 14 bits of height.
        (bits,) = _numbers(encoded, 21, tf.int32)
        return bits // 2**14 % 2**14 + 1, bits % 2**14 + 1

    def lossy():
        width, height = _numbers(encoded, 26, tf.uint16, 2)
        return height % 2**14, width % 2**14

    return tf.case([(kind == b"VP8X", extended), (kind == b"VP8L", lossless)], default=lossy)


def _refused_if(condition, height):
    """The height, or one that exceeds any limit if the condition holds."""
    return height + tf.cast(condition, tf.int64) * _REFUSED


def _numbers(encoded, start, kind, count=1, little_endian=True):
    """Decode numbers from the bytes at `start`, as int64 scalars."""
    data = tf.strings.substr(encoded, start, count * kind.size)
    return tf.unstack(tf.cast(tf.io.decode_raw(data, kind, little_endian=little_endian), tf.int64), count)
