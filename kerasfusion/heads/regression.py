import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import ScaledSquaredError


@keras.saving.register_keras_serializable("kerasfusion")
class RegressionHead(Head):
    """Regression: squared error in units of the training split's standard deviation.

    Labels are float32 `(B,)`, or `(B, outputs)`. The output is in the label's own unit; mean and standard deviation
    are constants of the layer.

    Args:
        mean: float, mean of the label over the training split. Defaults to 0.
        std: float, its standard deviation; 0 is treated as 1. Defaults to 1.
        outputs: int, number of values, which share mean and standard deviation. Defaults to 1.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.

    Example:

    ```python
    head = RegressionHead(mean=3.5, std=1.2)
    head.predictions(head(keras.random.normal((2, 16))))["value"]  # (2,)
    ```
    """

    def __init__(self, mean=0.0, std=1.0, outputs=1, **kwargs):
        super().__init__(outputs, **kwargs)
        self.mean = float(mean)
        self.std = float(std) or 1.0

    def call(self, representation):
        return self.dense(representation) * self.std + self.mean

    def add_wide(self, logits, wide):
        return logits + wide * self.std

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
