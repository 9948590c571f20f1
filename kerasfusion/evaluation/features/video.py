"""Videos in an evaluation."""

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.corruption import Corruption
from kerasfusion.evaluation.features.base import EvaluatedFeature
from kerasfusion.evaluation.thumbnails import jpeg

# Frames of a strip, evenly spaced, and its longest side on a page.
MOST_SHOWN = 8
STRIP = 480


def freeze(x, features, degree, seed):
    """Let the video stop: the last share of its frames shows the frame before them, at degree 1 the first."""
    changed = dict(x)
    for feature in features:
        last = round((1.0 - degree) * (feature.length - 1))
        changed[feature.name] = tf.gather(x[feature.name], np.minimum(np.arange(feature.length), last), axis=1)
    return changed


def blacken(x, features, degree, seed):
    """Make this share of frames black."""
    changed = dict(x)
    for place, feature in enumerate(features):
        frames = x[feature.name]
        hit = tf.random.stateless_uniform(tf.shape(frames)[:2], tf.add(seed, [0, place + 1])) < degree
        changed[feature.name] = tf.where(hit[:, :, None, None, None], tf.zeros_like(frames), frames)
    return changed


class VideoInputs(EvaluatedFeature):
    """Videos are shown as strips of their frames, which are frozen and made black."""

    corruptions = (
        Corruption("video frozen", "video", "share of frames, from the end", freeze),
        Corruption("frames black", "video", "share of frames", blacken),
    )
    what = "video"

    def shown(self, feature, examples, position):
        place = examples.arrays[feature.name][position]
        cell = {"given": bool(place >= 0), "frames": feature.length}
        frames, there = (found.numpy()[0] for found in examples.banks[feature.name].fetch(np.array([place], "int32")))
        if there:
            frames = frames[np.linspace(0, len(frames) - 1, min(len(frames), MOST_SHOWN)).round().astype(int)]
            cell["src"], cell["width"], cell["height"] = jpeg(np.concatenate(frames, axis=1), STRIP)
        path = examples.frame[feature.columns[0]].iloc[position]
        path = path[0] if isinstance(path, tuple) else path
        if isinstance(path, str) and not path.startswith("data:"):
            cell["path"] = path
        return cell

    def sample(self, feature, examples):
        return None
