import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head, log_mixture


@keras.saving.register_keras_serializable("kerasfusion")
class MulticlassHead(Head):
    """Multiclass classification: softmax cross-entropy.

    Labels are int32 `(B,)`.

    Args:
        outputs: int, number of classes.

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

    def loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=MEAN)

    def metrics_for(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def average(self, logits, weights):
        return log_mixture(ops.log_softmax(logits), weights)

    def predictions(self, logits):
        return {"probabilities": ops.softmax(logits / self.temperature)}
