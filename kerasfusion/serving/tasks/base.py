"""How answers of one task type are served, and what `verify` knows of them.

`verify` runs without Keras and Python TensorFlow: what needs them is imported when called.
"""

import numpy as np


class ServedTask:
    """Base class of the registry's entries."""

    # Room that the export's graph takes beyond its weights.
    spare_bytes = 0
    # Whether an exported model can be frozen, and its weights rounded.
    convertible = True

    def signatures(self, model, schema, convert, gallery):
        """The `Signatures` of a model that learns this task alone; None serves it beside others."""
        return None

    def names(self, task, probabilities):
        """Names of the decisions, string `(B,)`, of probabilities `(B, C)`."""
        import tensorflow as tf

        return tf.gather(tf.constant(task.classes), tf.argmax(probabilities, axis=-1))

    def too_close(self, probabilities, tolerance):
        """Rows whose decision a difference within the tolerance could turn: bool `(B,)`, or None where none could."""
        if probabilities.shape[-1] < 2:
            return None
        best = np.sort(probabilities, axis=-1)
        return best[:, -1] - best[:, -2] <= 2 * tolerance
