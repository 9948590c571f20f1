import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head, average_sigmoid


@keras.saving.register_keras_serializable("kerasfusion")
class BinaryHead(Head):
    """Binary classification: one logit with a sigmoid cross-entropy.

    Labels are float32 `(B,)`, 0 or 1.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, 1)`.

    Example:

    ```python
    head = BinaryHead()
    logits = head(keras.random.normal((2, 16)))  # (2, 1)
    head.predictions(logits)["probabilities"]  # (2, 2): the negative and the positive class
    ```
    """

    def __init__(self, outputs=1, **kwargs):
        super().__init__(outputs, **kwargs)

    def loss(self):
        return keras.losses.BinaryCrossentropy(from_logits=True, reduction=MEAN)

    def metrics_for(self):
        return [
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),
            keras.metrics.AUC(name="auc", from_logits=True),
        ]

    def average(self, logits, weights):
        return average_sigmoid(logits, weights)

    def class_scores(self, logits):
        return ops.concatenate([-logits, logits], axis=-1)

    def predictions(self, logits):
        positive = ops.sigmoid(logits / self.temperature)
        return {"probabilities": ops.concatenate([1.0 - positive, positive], axis=-1)}
