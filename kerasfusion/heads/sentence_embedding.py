import keras

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import EmbeddingDistance


@keras.saving.register_keras_serializable("kerasfusion")
class SentenceEmbeddingHead(Head):
    """A sentence vector, held against that of a reference: the context term of the fused loss.

    Labels are float32 `(B, outputs)` of length 1.

    Args:
        outputs: Width of the vector.
        distance: See `EmbeddingDistance`.
        learn_loss_weight: Learn the loss's weight among those of others, see `UncertaintyWeighted`.

    Example:

    ```python
    head = SentenceEmbeddingHead(300)
    loss = head.loss()(sentence_vectors, head(fused))
    ```
    """

    def __init__(self, outputs, distance="cosine", learn_loss_weight=False, **kwargs):
        super().__init__(outputs, **kwargs)
        self.learn_loss_weight = learn_loss_weight
        self.distance = distance

    def build(self, representation_shape):
        super().build(representation_shape)
        if self.learn_loss_weight:
            self.learn_weight()

    def loss(self):
        return self.weighted(EmbeddingDistance(self.distance, reduction=MEAN))

    def metrics_for(self):
        return [keras.metrics.CosineSimilarity(name="cosine")]

    def predictions(self, logits):
        return {"value": logits}

    def get_config(self):
        return {**super().get_config(), "distance": self.distance, "learn_loss_weight": self.learn_loss_weight}
