"""Tags, served as names divided by `|`."""

import numpy as np

from kerasfusion.serving.tasks.base import ServedTask


class ServedMultilabel(ServedTask):
    """Every tag above one half."""

    def names(self, task, probabilities):
        import tensorflow as tf

        chosen = tf.where(probabilities > 0.5, tf.constant(task.classes)[None, :], "")
        joined = tf.strings.reduce_join(chosen, axis=-1, separator="|")
        # Tags that were not chosen left empty places between the separators.
        return tf.strings.regex_replace(tf.strings.regex_replace(joined, r"\|+", "|"), r"^\||\|$", "")

    def too_close(self, probabilities, tolerance):
        return (np.abs(probabilities - 0.5) <= tolerance).any(axis=-1)
