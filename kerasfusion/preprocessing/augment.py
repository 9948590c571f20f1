"""Training images moved, zoomed, turned and lit a little differently in every epoch."""

import dataclasses
import math

import tensorflow as tf

# Numbers in [0, 1) that one image takes.
RANDOM_NUMBERS = 8
# Per strength: largest shift (share of a side), zoom (factor), turn (degrees), change of light (share of the range of
# pixels), of contrast and of saturation (factor).
STRENGTHS = {
    "light": (1 / 16, 1.1, 0.0, 0.1, 1.2, 1.3),
    "strong": (1 / 8, 1.25, 10.0, 0.2, 1.4, 1.8),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How images are changed while training.

    Args:
        strength: `"light"`: shifted by up to 1/16 of a side, zoomed by up to 1.1, lit a little differently.
            `"strong"`: by up to 1/8 and 1.25, turned by up to 10 degrees, lit more differently.
        flip: Mirror half of the images, left for right.
        color: Change brightness, contrast and saturation. The hue is never changed.

    Raises:
        ValueError: No such strength.
    """

    strength: str = "light"
    flip: bool = True
    color: bool = True

    def __post_init__(self):
        if self.strength not in STRENGTHS:
            raise ValueError(f"The augmentation is one of {', '.join(STRENGTHS)}, not {self.strength!r}.")


def augment_images(pixels, random, augmentation):
    """Change a batch of images, each by its own random numbers and by nothing else.

    What moves into the image at its border repeats the border; what moves out is lost, at most a shift and half a
    zoom at each side.

    Args:
        pixels: uint8 `(B, H, W, 3)`.
        random: float32 `(B, 8)` in [0, 1).
        augmentation: An `Augmentation`.

    Returns:
        uint8 `(B, H, W, 3)`. An image of zeros, which stands for a missing one, stays one where `color` is False;
        otherwise whoever calls puts it back.
    """
    shift, zoom, turn, light, contrast, saturation = STRENGTHS[augmentation.strength]
    height, width = pixels.shape[1:3]
    across, down, scale, angle, mirror, brighter, harder, richer = tf.unstack(2.0 * random - 1.0, axis=1)
    # Where each pixel comes from: turned and zoomed about the middle, then shifted, then mirrored.
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
        # One pass: grey + saturation * (color - grey), then stretched about middle grey, then lit.
        offset = 127.5 * (1.0 - contrast) + 255.0 * light * brighter[:, None, None, None]
        moved = moved * (contrast * saturation) + (grey * (contrast * (1.0 - saturation)) + offset)
    return tf.cast(tf.clip_by_value(tf.round(moved), 0.0, 255.0), tf.uint8)
