"""Base class of all heads: float32 logits with the matching loss and metrics."""

import keras
from keras import ops

from kerasfusion.losses import UncertaintyWeighted

# Padding texts have weight 0 and must not count in the mean's denominator either.
MEAN = "mean_with_sample_weight"

# Keeps the logarithm of a weight of 0 finite; far below what float32 sums resolve.
_TINY = 1e-30


def log_mixture(log_probabilities, weights):
    """Compute `log Σ_m w_m p_m` from log-probabilities `(M, B, C)` and weights `(M, B, 1)`."""
    return ops.logsumexp(log_probabilities + ops.log(ops.maximum(weights, _TINY)), axis=0)


def average_sigmoid(logits, weights):
    """Compute the logit of `Σ_m w_m σ(logits_m)` in log space."""
    positive = log_mixture(ops.log_sigmoid(logits), weights)
    negative = log_mixture(ops.log_sigmoid(-logits), weights)
    return positive - negative


class Head(keras.layers.Layer):
    """Base class: map a representation to the logits of one task.

    The head owns the loss, the metrics and the conversion of logits to predictions, so that these always agree. It
    computes in float32 whatever the model's precision, since a float16 softmax saturates.

    Args:
        outputs: int, width of the logits.
        temperature: float, divides the logits in `predictions` (temperature scaling, arXiv 1706.04599). It is fitted
            after training, does not affect loss, metrics or decisions, and is saved with the model. Defaults to 1.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.

    Raises:
        ValueError: if the temperature is not positive.
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

    def add_wide(self, logits, wide):
        """Add what a wide path says, float32 `(B, dense.units)`, to these logits."""
        return logits + wide

    def learn_weight(self):
        """Learn the weight of this head's loss among those of other heads; call it from `build`."""
        self.log_variance = self.add_weight(shape=(), initializer="zeros", name="log_variance")

    def weighted(self, loss):
        """Wrap the loss with its learned weight, if there is one."""
        return loss if self.log_variance is None else UncertaintyWeighted(loss, self.log_variance)

    def loss(self):
        """Return a `keras.losses.Loss` for these logits, a mean over sample weights: padding has weight 0."""
        raise NotImplementedError

    def metrics_for(self):
        """Return new `keras.metrics.Metric` objects for these logits."""
        raise NotImplementedError

    def average(self, logits, weights):
        """Compute logits of the weighted average of several models' predictions.

        Args:
            logits: float32 `(M, B, C)`, one entry per model.
            weights: float32 `(M, B, 1)`, summing to 1 over `M`.

        Returns:
            float32 `(B, C)`.
        """
        raise NotImplementedError

    def predictions(self, logits):
        """Convert logits to predictions: `probabilities` float32 `(B, C)`, calibrated, or `value` float32 `(B,)`."""
        raise NotImplementedError

    def class_scores(self, logits):
        """One score for each class, higher the more the logits speak for it: float32 `(B, classes)`."""
        return logits

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "temperature": self.temperature}
