import keras
import numpy as np
from keras import ops

from kerasfusion.heads.base import MEAN, Head, average_sigmoid
from kerasfusion.losses.cumulative_link import CumulativeLinkLoss, log_class
from kerasfusion.metrics.ordinal import OrdinalMeanAbsoluteError, QuadraticWeightedKappa


@keras.saving.register_keras_serializable("kerasfusion")
class OrdinalHead(Head):
    """Ordered classes: one score and ordered thresholds, a cumulative link model.

    `logit P(y > k) = w·x - θ_k` with `θ_0 < θ_1 < … < θ_{C-2}`, the proportional odds model (McCullagh, "Regression
    Models for Ordinal Data", JRSS B, 1980; as the output of a network with one shared score, arXiv 1901.07884). The
    order is kept by `θ_{k+1} = θ_k + softplus(δ_k)`. At first every class is equally likely at a score of 0.

    Labels are int32 `(B,)`, places of the classes in their order. The decision is the median class, which has the
    least expected absolute error.

    Args:
        outputs: int, number of classes less one.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`: decreasing logits of `P(y > k)`.

    Example:

    ```python
    head = OrdinalHead(4)  # five classes
    logits = head(keras.random.normal((2, 16)))  # (2, 4)
    head.predictions(logits)["probabilities"]  # (2, 5), rows sum to 1
    ```
    """

    def __init__(self, outputs, **kwargs):
        super().__init__(outputs, **kwargs)
        # The thresholds take the place of a bias.
        self.dense = keras.layers.Dense(1, use_bias=False, dtype="float32", name="score")

    def build(self, representation_shape):
        super().build(representation_shape)
        shares = np.arange(1, self.outputs + 1) / (self.outputs + 1)
        thresholds = np.log(shares / (1 - shares)).astype("float32")
        gaps = np.log(np.expm1(np.diff(thresholds)))
        self.first_threshold = self.add_weight(
            shape=(1,), initializer=lambda shape, dtype=None: thresholds[:1], name="first_threshold"
        )
        self.gaps = self.add_weight(
            shape=(self.outputs - 1,), initializer=lambda shape, dtype=None: gaps, name="gaps"
        )

    @property
    def thresholds(self):
        """float32 `(outputs,)`, increasing."""
        steps = ops.concatenate([ops.convert_to_tensor(self.first_threshold), ops.softplus(self.gaps)], axis=0)
        return ops.cumsum(steps)

    def call(self, representation):
        return self.dense(representation) - self.thresholds

    def loss(self):
        return CumulativeLinkLoss(reduction=MEAN)

    def metrics_for(self):
        return [OrdinalMeanAbsoluteError(name="mae"), QuadraticWeightedKappa(self.outputs + 1, name="kappa")]

    def average(self, logits, weights):
        return average_sigmoid(logits, weights)

    def class_scores(self, logits):
        return log_class(logits)

    def predictions(self, logits):
        above = ops.sigmoid(logits / self.temperature)
        first, last = 1.0 - above[..., :1], above[..., -1:]
        return {"probabilities": ops.concatenate([first, above[..., :-1] - above[..., 1:], last], axis=-1)}
