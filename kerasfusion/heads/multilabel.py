import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head, average_sigmoid


@keras.saving.register_keras_serializable("kerasfusion")
class MultiLabelHead(Head):
    """Multi-label classification: one sigmoid cross-entropy per tag.

    Labels are multi-hot float32 `(B, C)`.

    Args:
        outputs: int, number of tags.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.

    Example:

    ```python
    head = MultiLabelHead(20)
    head.predictions(head(keras.random.normal((2, 16))))["probabilities"]  # (2, 20), each in 0..1
    ```
    """

    def loss(self):
        return keras.losses.BinaryCrossentropy(from_logits=True, reduction=MEAN)

    def metrics_for(self):
        return [keras.metrics.BinaryAccuracy(name="tag_accuracy", threshold=0.0)]

    def average(self, logits, weights):
        return average_sigmoid(logits, weights)

    def predictions(self, logits):
        return {"probabilities": ops.sigmoid(logits / self.temperature)}
