"""Blend transparent images onto white."""

import tensorflow as tf

# Pixels blended at a time. Blending a whole large image at once takes several times its memory.
_STRIP_PIXELS = 1_000_000


def over_white(pixels):
    """Blend an image with an alpha channel onto white.

    Args:
        pixels: uint8 `(height, width, channels)`. The last channel is alpha.

    Returns:
        uint8 `(height, width, channels - 1)`.
    """
    color, alpha = tf.cast(pixels[..., :-1], tf.uint16), tf.cast(pixels[..., -1:], tf.uint16)
    # At most 255 * 255 + 127, which fits into uint16.
    return tf.cast((color * alpha + 255 * (255 - alpha) + 127) // 255, tf.uint8)


def resize_over_white(pixels, size):
    """Blend onto white and resize in strips of columns, to limit memory.

    Args:
        pixels: As in `over_white`.
        size: tuple `(height, width)` in pixels.

    Returns:
        float32 `(*size, channels - 1)`, equal to `tf.image.resize(over_white(pixels), size, antialias=True)`.
    """
    height, width = tf.unstack(tf.shape(pixels)[:2])
    return tf.cond(
        height * width <= _STRIP_PIXELS,
        lambda: tf.image.resize(over_white(pixels), size, antialias=True),
        lambda: _resize_strips(pixels, size),
    )


def _resize_strips(pixels, size):
    height, width = tf.unstack(tf.shape(pixels)[:2])
    columns = tf.maximum(_STRIP_PIXELS // height, 1)

    def blend(number, strips):
        strip = over_white(pixels[:, number * columns : (number + 1) * columns])
        strip = tf.image.resize(strip, tf.stack([size[0], tf.shape(strip)[1]]), antialias=True)
        # A TensorArray concatenates along the first axis.
        return number + 1, strips.write(number, tf.transpose(strip, (1, 0, 2)))

    count = -(-width // columns)
    strips = tf.TensorArray(tf.float32, size=count, infer_shape=False, element_shape=(None, None, None))
    _, strips = tf.while_loop(lambda number, _: number < count, blend, (0, strips), parallel_iterations=1)
    return tf.image.resize(tf.transpose(strips.concat(), (1, 0, 2)), size, antialias=True)
