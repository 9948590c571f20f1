"""Ordered classes, served as the name of the median class."""

import numpy as np

from kerasfusion.serving.tasks.base import ServedTask


class ServedOrdinal(ServedTask):
    """The median class: as many places up as probabilities of a higher class are above one half."""

    def names(self, task, probabilities):
        import tensorflow as tf

        above = 1.0 - tf.cumsum(probabilities, axis=-1)[:, :-1]
        return tf.gather(tf.constant(task.classes), tf.reduce_sum(tf.cast(above > 0.5, tf.int32), axis=-1))

    def too_close(self, probabilities, tolerance):
        above = 1 - np.cumsum(probabilities, axis=-1)[:, :-1]
        # Differences of the probabilities add up.
        return (np.abs(above - 0.5) <= probabilities.shape[-1] * tolerance).any(axis=-1)
