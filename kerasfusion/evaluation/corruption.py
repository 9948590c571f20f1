"""One way to spoil the inputs, by degrees from 0 (nothing) to 1: whole batches at a time, in TensorFlow."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from kerasfusion.data.missing import take_away


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
