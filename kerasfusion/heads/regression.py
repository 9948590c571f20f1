import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import ScaledSquaredError


@keras.saving.register_keras_serializable("kerasfusion")
class RegressionHead(Head):
    """A number, or several: squared error, in units of the training split's standard deviation.

    Labels are float32 `(B,)`, or `(B, outputs)` of several.

    The layer's output is the number itself, in the label's own unit; mean and standard deviation are constants.

    Args:
        mean: Mean of the label over the training split.
        std: Its standard deviation; 0 counts as 1.
        outputs: How many numbers; they have mean and standard deviation in common.

    Example:

    ```python
    head = RegressionHead(mean=3.5, std=1.2)
    head.predictions(head(fused))["value"]  # (B,)
    ```
    """

    def __init__(self, mean=0.0, std=1.0, outputs=1, **kwargs):
        super().__init__(outputs, **kwargs)
        self.mean = float(mean)
        self.std = float(std) or 1.0

    def call(self, representation):
        return self.dense(representation) * self.std + self.mean

    def loss(self):
        return ScaledSquaredError(self.std, reduction=MEAN)

    def metrics_for(self):
        return [keras.metrics.MeanAbsoluteError(name="mae")]

    def average(self, logits, weights):
        return ops.sum(logits * weights, axis=0)

    def predictions(self, logits):
        return {"value": ops.squeeze(logits, axis=-1) if self.outputs == 1 else logits}

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "std": self.std}
