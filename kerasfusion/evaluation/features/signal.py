"""Signals in an evaluation."""

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.corruption import Corruption
from kerasfusion.evaluation.features.base import EvaluatedFeature

# Points of a drawn signal, each the lowest or highest of some samples, and channels that are drawn.
POINTS = 160
MOST_CHANNELS = 4
MOST_SAMPLED = 4
# At degree 1: deviation of the noise, in standard deviations of the channel, and share of samples taken away.
MOST_NOISE = 2.0


def add_noise(x, features, degree, seed):
    """Add Gaussian noise of up to twice the deviation of the training signals. Missing samples stay missing."""
    changed = dict(x)
    for place, feature in enumerate(features):
        samples = x[feature.name]
        noise = tf.random.stateless_normal(tf.shape(samples), tf.add(seed, [0, place + 1]))
        noise *= degree * MOST_NOISE * tf.constant(feature.std, tf.float32)
        changed[feature.name] = tf.where(x[f"{feature.name}_present"][:, None, None], samples + noise, samples)
    return changed


def drop_samples(x, features, degree, seed):
    """Make this share of samples missing, in all channels."""
    changed = dict(x)
    for place, feature in enumerate(features):
        samples = x[feature.name]
        hit = tf.random.stateless_uniform(tf.shape(samples)[:2], tf.add(seed, [0, place + 1])) < degree
        hit &= x[f"{feature.name}_present"][:, None]
        changed[feature.name] = tf.where(hit[..., None], float("nan"), samples)
    return changed


class SignalInputs(EvaluatedFeature):
    """Signals are shown as curves; noise is added to them, and samples are taken away."""

    corruptions = (
        Corruption("signal noised", "signal", "deviation / twice that of the training signals", add_noise),
        Corruption("samples dropped", "signal", "share of samples", drop_samples),
    )
    what = "signal"

    def shown(self, feature, examples, position):
        place = examples.arrays[feature.name][position]
        cell = {"given": bool(place >= 0), "rate": feature.rate, "channels": feature.channels}
        samples = examples.banks[feature.name].samples(place)
        known = np.isfinite(samples).any(axis=1)
        if known.any():
            samples = samples[: known.nonzero()[0][-1] + 1]
            cell["samples"] = len(samples)
            cell["curves"] = [_curve(channel) for channel in samples.T[:MOST_CHANNELS]]
        path = examples.frame[feature.columns[0]].iloc[position]
        if isinstance(path, str) and not path.startswith(("[", "data:")):
            cell["path"] = path
        return cell

    def sample(self, feature, examples):
        if feature.rate is not None:
            return None
        places = examples.arrays[feature.name]
        samples = examples.banks[feature.name].samples(places[np.argmax(places >= 0)])[:MOST_SAMPLED]
        return np.round(np.nan_to_num(samples).astype("float64"), 4).tolist()


def _curve(samples):
    """`[[place, value], …]`: every sample, or of many the lowest and the highest of each stretch; None is a gap."""
    if len(samples) <= POINTS:
        return [[place, _number(value)] for place, value in enumerate(samples)]
    found = []
    for part in np.array_split(np.arange(len(samples)), POINTS // 2):
        values = samples[part]
        known = values[np.isfinite(values)]
        ends = (known.min(), known.max()) if known.size else (np.nan, np.nan)
        found += [[int(part[0]), _number(ends[0])], [int(part[len(part) // 2]), _number(ends[1])]]
    return found


def _number(value):
    return float(f"{value:.4g}") if np.isfinite(value) else None
