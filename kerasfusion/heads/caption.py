import keras

from kerasfusion.heads.base import Head
from kerasfusion.losses import CaptionCrossentropy
from kerasfusion.metrics import TokenAccuracy


@keras.saving.register_keras_serializable("kerasfusion")
class CaptionHead(Head):
    """Predict the next token of a caption.

    Labels are int32 `(B, T)`: the next tokens and the end token, followed by padding (0).

    Args:
        outputs: int, number of token ids.
        label_smoothing: float, see `CaptionCrossentropy`. Defaults to 0.
        learn_loss_weight: bool, whether to learn the weight of this loss among others, see `UncertaintyWeighted`.
            Defaults to False.

    Call arguments:
        representation: float `(B, T, d)`, the output of a decoder.

    Returns:
        float32 `(B, T, outputs)`.

    Example:

    ```python
    head = CaptionHead(1000)
    logits = head(keras.random.normal((2, 3, 16)))  # (2, 3, 1000)
    loss = head.loss()(keras.ops.array([[5, 6, 3], [7, 3, 0]]), logits)
    ```
    """

    def __init__(self, outputs, label_smoothing=0.0, learn_loss_weight=False, **kwargs):
        super().__init__(outputs, **kwargs)
        self.learn_loss_weight = learn_loss_weight
        self.label_smoothing = label_smoothing

    def build(self, representation_shape):
        super().build(representation_shape)
        if self.learn_loss_weight:
            self.learn_weight()

    def loss(self):
        return self.weighted(CaptionCrossentropy(self.label_smoothing))

    def metrics_for(self):
        return [TokenAccuracy()]

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "learn_loss_weight": self.learn_loss_weight,
        }
