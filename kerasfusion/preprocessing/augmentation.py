"""Image augmentation: random translation, zoom, rotation, flip and color."""

import dataclasses
import math

import tensorflow as tf

# Random numbers in [0, 1) per image.
RANDOM_NUMBERS = 8
# Per strength, the maximum translation (fraction of a side), zoom (factor), rotation (degrees), brightness (fraction
# of the pixel range), contrast and saturation (factors).
STRENGTHS = {
    "light": (1 / 16, 1.1, 0.0, 0.1, 1.2, 1.3),
    "strong": (1 / 8, 1.25, 10.0, 0.2, 1.4, 1.8),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Settings of image augmentation.

    Args:
        strength: `"light"` (translation up to 1/16 of a side, zoom up to 1.1, small color changes) or `"strong"`
            (translation up to 1/8, zoom up to 1.25, rotation up to 10 degrees, larger color changes). Defaults to
            `"light"`.
        flip: Whether to flip half of the images horizontally. Defaults to `True`.
        color: Whether to change brightness, contrast and saturation. The hue never changes. Defaults to `True`.
        move: Whether to translate, zoom, rotate and flip; else only colors change. Defaults to `True`.

    Raises:
        ValueError: If the strength is unknown.

    Example:

    ```python
    changed = augment_images(pixels, tf.random.uniform((len(pixels), 8)), Augmentation("strong", flip=False))
    ```
    """

    strength: str = "light"
    flip: bool = True
    color: bool = True
    move: bool = True

    def __post_init__(self):
        if self.strength not in STRENGTHS:
            raise ValueError(f"strength must be one of {', '.join(STRENGTHS)}. Received: strength={self.strength!r}")


def augment_images(pixels, random, augmentation):
    """Augment a batch of images. Each image depends only on its own random numbers.

    Pixels outside of the image repeat its border.

    Args:
        pixels: uint8 `(B, H, W, 3)`.
        random: float32 `(B, 8)` in [0, 1).
        augmentation: `Augmentation`.

    Returns:
        uint8 `(B, H, W, 3)`. An image of zeros, which stands for a missing image, stays zero only without `color`;
        otherwise the caller must restore it.
    """
    shift, zoom, turn, light, contrast, saturation = STRENGTHS[augmentation.strength]
    height, width = pixels.shape[1:3]
    across, down, scale, angle, mirror, brighter, harder, richer = tf.unstack(2.0 * random - 1.0, axis=1)
    # Source coordinates of each pixel: rotated and zoomed about the center, then translated, then flipped.
    scale = tf.exp(-scale * math.log(zoom))
    angle = angle * math.radians(turn)
    cosine, sine = scale * tf.cos(angle), scale * tf.sin(angle)
    side = tf.sign(mirror) if augmentation.flip else tf.ones_like(mirror)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    from_x = (side * cosine, -side * sine, side * across * shift * width)
    from_y = (sine, cosine, down * shift * height)
    rows = [
        (a, b, c + middle - a * middle_x - b * middle_y)
        for (a, b, c), middle in ((from_x, middle_x), (from_y, middle_y))
    ]
    zero = tf.zeros_like(scale)
    if not augmentation.move:
        moved = tf.cast(pixels, tf.float32)
    else:
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(pixels, tf.float32),
            transforms=tf.stack([*rows[0], *rows[1], zero, zero], axis=1),
            output_shape=(height, width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
    if augmentation.color:
        contrast, saturation = (
            tf.exp(number * math.log(most))[:, None, None, None]
            for number, most in ((harder, contrast), (richer, saturation))
        )
        grey = tf.reduce_mean(moved, axis=-1, keepdims=True)
        # In one pass: saturation, grey + saturation * (color - grey); then contrast about middle grey; then
        # brightness.
        offset = 127.5 * (1.0 - contrast) + 255.0 * light * brighter[:, None, None, None]
        moved = moved * (contrast * saturation) + (grey * (contrast * (1.0 - saturation)) + offset)
    return tf.cast(tf.clip_by_value(tf.round(moved), 0.0, 255.0), tf.uint8)
