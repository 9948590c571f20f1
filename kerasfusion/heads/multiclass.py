import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head, log_mixture
from kerasfusion.losses import SmoothedCrossentropy


@keras.saving.register_keras_serializable("kerasfusion")
class MulticlassHead(Head):
    """Multiclass classification: softmax cross-entropy.

    Labels are int32 `(B,)`.

    Args:
        outputs: int, number of classes.
        label_smoothing: float in [0, 1), share of a label that is spread over all classes in the loss (arXiv
            1512.00567). Defaults to 0.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.

    Example:

    ```python
    head = MulticlassHead(13)
    logits = head(keras.random.normal((2, 16)))  # (2, 13)
    head.predictions(logits)["probabilities"]  # (2, 13), rows sum to 1
    ```
    """

    def __init__(self, outputs, label_smoothing=0.0, **kwargs):
        super().__init__(outputs, **kwargs)
        self.label_smoothing = label_smoothing

    def loss(self):
        if self.label_smoothing:
            return SmoothedCrossentropy(self.label_smoothing, reduction=MEAN)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=MEAN)

    def metrics_for(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def average(self, logits, weights):
        return log_mixture(ops.log_softmax(logits), weights)

    def predictions(self, logits):
        return {"probabilities": ops.softmax(logits / self.temperature)}

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
