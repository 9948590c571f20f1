"""Images in an evaluation."""

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.corruption import Corruption
from kerasfusion.evaluation.features.base import EvaluatedFeature
from kerasfusion.evaluation.thumbnails import thumbnail

# At degree 1: deviation of the noise in gray levels, and that of the blur as a share of an image's shorter side.
MOST_NOISE = 128.0
MOST_BLUR = 1 / 8


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


class ImageInputs(EvaluatedFeature):
    """Images are shown as thumbnails, and their pixels noised and blurred."""

    corruptions = (
        Corruption("pixels noised", "image", "deviation / 128 gray levels", add_noise),
        Corruption("pixels blurred", "image", "deviation / an eighth of the side", blur),
    )
    what = "image"

    def shown(self, feature, examples, position):
        image, cell = examples.arrays[feature.name][position], {}
        cell["given"] = bool(image >= 0)
        made = thumbnail(examples.banks[feature.name].encoded(image)) if image >= 0 else None
        if made is not None:
            cell["src"], (cell["width"], cell["height"]) = made
        path = examples.frame[feature.columns[0]].iloc[position]
        if isinstance(path, str) and not path.startswith("data:"):
            cell["path"] = path
        return cell

    def sample(self, feature, examples):
        return None
