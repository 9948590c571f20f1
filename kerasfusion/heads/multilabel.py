import keras
from keras import ops

from kerasfusion.heads.base import MEAN, Head, average_sigmoid


@keras.saving.register_keras_serializable("kerasfusion")
class MultiLabelHead(Head):
    """Any number of tags at once: a sigmoid cross-entropy per tag on multi-hot float32 `(B, C)` labels.

    Example:

    ```python
    head = MultiLabelHead(20)
    head.predictions(head(fused))["probabilities"]  # (B, 20), each in 0..1 by itself
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
