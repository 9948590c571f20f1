"""What every head shares: float32 logits, and the loss and metrics that fit them."""

import keras
from keras import ops

from kerasfusion.losses import UncertaintyWeighted

# Padding texts have weight 0 and must not count in the mean's denominator either.
MEAN = "mean_with_sample_weight"

# Keeps the logarithm of a weight of 0 finite; far below what float32 sums resolve.
_TINY = 1e-30


def log_mixture(log_probabilities, weights):
    """`log Σ_m w_m p_m` for `(M, B, C)` log-probabilities and `(M, B, 1)` weights."""
    return ops.logsumexp(log_probabilities + ops.log(ops.maximum(weights, _TINY)), axis=0)


def average_sigmoid(logits, weights):
    """The logit of `Σ_m w_m σ(logits_m)`, without ever leaving logarithms."""
    positive = log_mixture(ops.log_sigmoid(logits), weights)
    negative = log_mixture(ops.log_sigmoid(-logits), weights)
    return positive - negative


class Head(keras.layers.Layer):
    """Base class: a representation to the logits of one task.

    The head owns the loss, the metrics and the step from logits to predictions, so that none of them can
    disagree about what the numbers are. It computes in float32 whatever the model's precision, because a float16
    softmax saturates.

    Args:
        outputs: Width of the logits.
        temperature: What `predictions` divides the logits by (arXiv 1706.04599); loss and metrics do without. It is
            fitted after training, changes no decision, and is saved with the model.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.
    """

    def __init__(self, outputs, temperature=1.0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not temperature > 0:
            raise ValueError(f"A head's temperature is positive, not {temperature}.")
        self.outputs = outputs
        self.temperature = float(temperature)
        self.log_variance = None
        self.dense = keras.layers.Dense(outputs, dtype="float32", name="logits")

    def build(self, representation_shape):
        self.dense.build(representation_shape)

    def call(self, representation):
        return self.dense(representation)

    def learn_weight(self):
        """Have training find the weight of this head's loss among those of others; to be called from `build`."""
        self.log_variance = self.add_weight(shape=(), initializer="zeros", name="log_variance")

    def weighted(self, loss):
        """The loss, by its learned weight where there is one."""
        return loss if self.log_variance is None else UncertaintyWeighted(loss, self.log_variance)

    def loss(self):
        """The `keras.losses.Loss` for these logits: its mean is over weights, so padding counts nothing."""
        raise NotImplementedError

    def metrics_for(self):
        """New `keras.metrics.Metric` objects that take these logits."""
        raise NotImplementedError

    def average(self, logits, weights):
        """Logits of the weighted average of several models' predictions.

        Args:
            logits: float32 `(M, B, C)`, one entry per model.
            weights: float32 `(M, B, 1)`, summing to 1 over `M`.

        Returns:
            float32 `(B, C)`.
        """
        raise NotImplementedError

    def predictions(self, logits):
        """What serving answers with: `probabilities` float32 `(B, C)`, calibrated, or `value` float32 `(B,)`."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "temperature": self.temperature}
