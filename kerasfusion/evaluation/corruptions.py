"""What can go wrong with the inputs, by degrees from 0 (nothing) to 1: whole batches at a time, in TensorFlow."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerasfusion.data.missing import take_away
from kerasfusion.schema import SPECIAL_TOKENS

UNKNOWN = SPECIAL_TOKENS.index("[UNK]")
# At degree 1: deviation of the noise in gray levels, and that of the blur as a share of an image's shorter side.
MOST_NOISE = 128.0
MOST_BLUR = 1 / 8


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One way to spoil the inputs.

    Args:
        name: What people call it.
        kind: The kind of features that it touches.
        degree: What its degree counts.
        apply: `(x, features, degree, seed) -> x`: the batch's inputs with these features changed. The same seed,
            int32 `(2,)`, gives the same random numbers at every degree: what is spoiled at one is at all above it.
    """

    name: str
    kind: str
    degree: str
    apply: Callable


def drop(x, features, degree, seed):
    """Take all of the features away from this share of rows, the same rows for each of them."""
    rows = tf.shape(x[features[0].name])[:1]
    return take_away(x, features, tf.random.stateless_uniform(rows, seed) < degree)


def mask_words(x, features, degree, seed):
    """Replace this share of words by the unknown word. Start, end and padding stay."""
    changed = dict(x)
    for place, feature in enumerate(features):
        ids = x[feature.name]
        hit = tf.random.stateless_uniform(tf.shape(ids), tf.add(seed, [0, place + 1])) < degree
        changed[feature.name] = tf.where(hit & (ids >= len(SPECIAL_TOKENS)), UNKNOWN, ids)
    return changed


def add_noise(x, features, degree, seed):
    """Add Gaussian noise to the pixels, with a deviation of up to 128 gray levels. Missing images stay missing."""
    changed = dict(x)
    for place, feature in enumerate(features):
        pixels = tf.cast(x[feature.name], tf.float32)
        noise = tf.random.stateless_normal(tf.shape(pixels), tf.add(seed, [0, place + 1]), stddev=degree * MOST_NOISE)
        changed[feature.name] = _as_pixels(pixels + noise, x[f"{feature.name}_present"])
    return changed


def blur(x, features, degree, seed):
    """Blur the images with a Gaussian of up to an eighth of their shorter side."""
    changed = dict(x)
    for feature in features:
        deviation = degree * MOST_BLUR * min(feature.size)
        if deviation == 0:
            continue
        reach = int(np.ceil(3 * deviation))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
        weights = np.tile((weights / weights.sum()).astype("float32")[:, None, None, None], (1, 1, 3, 1))
        pixels = tf.cast(x[feature.name], tf.float32)
        # Mirrored at the border, which black would darken. Row by row, then column by column: the same as at once.
        pixels = tf.pad(pixels, [[0, 0], [reach, reach], [reach, reach], [0, 0]], "SYMMETRIC")
        for kernel in (weights, weights.transpose(1, 0, 2, 3)):
            pixels = tf.nn.depthwise_conv2d(pixels, kernel, [1, 1, 1, 1], "VALID")
        changed[feature.name] = _as_pixels(pixels, x[f"{feature.name}_present"])
    return changed


def _as_pixels(values, present):
    pixels = tf.cast(tf.clip_by_value(tf.round(values), 0.0, 255.0), tf.uint8)
    return tf.where(present[:, None, None, None], pixels, tf.zeros_like(pixels))


CORRUPTIONS = (
    Corruption("text dropped", "text", "share of rows", drop),
    Corruption("image dropped", "image", "share of rows", drop),
    Corruption("numbers dropped", "numeric", "share of rows", drop),
    Corruption("words masked", "text", "share of words", mask_words),
    Corruption("pixels noised", "image", "deviation / 128 gray levels", add_noise),
    Corruption("pixels blurred", "image", "deviation / an eighth of the side", blur),
)
