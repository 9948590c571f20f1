import keras

from kerasfusion.heads.base import Head
from kerasfusion.losses import CaptionCrossentropy
from kerasfusion.metrics import TokenAccuracy


@keras.saving.register_keras_serializable("kerasfusion")
class CaptionHead(Head):
    """The next word of a caption, out of all words.

    Labels are int32 `(B, T)`: the words to come and the end, 0 behind it.

    Args:
        outputs: Number of token ids.
        label_smoothing: See `CaptionCrossentropy`.
        learn_loss_weight: Learn the loss's weight among those of others, see `UncertaintyWeighted`.

    Call arguments:
        representation: float `(B, T, d)`, what a decoder gave.

    Returns:
        float32 `(B, T, outputs)`.

    Example:

    ```python
    head = CaptionHead(1000)
    loss = head.loss()(words, head(decoder(context, ids)))
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
