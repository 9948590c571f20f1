import keras

from kerasfusion.heads.base import MEAN, Head
from kerasfusion.losses import EmbeddingDistance


@keras.saving.register_keras_serializable("kerasfusion")
class SentenceEmbeddingHead(Head):
    """Predict a sentence embedding: the context term of the fused loss.

    Labels are float32 `(B, outputs)` of unit length.

    Args:
        outputs: int, width of the embedding.
        distance: str, see `EmbeddingDistance`. Defaults to `"cosine"`.
        learn_loss_weight: bool, whether to learn the weight of this loss among others, see `UncertaintyWeighted`.
            Defaults to False.

    Call arguments:
        representation: float `(B, d)`.

    Returns:
        float32 `(B, outputs)`.

    Example:

    ```python
    head = SentenceEmbeddingHead(300)
    embedding = head(keras.random.normal((2, 16)))  # (2, 300)
    loss = head.loss()(keras.ops.normalize(keras.random.normal((2, 300)), axis=-1), embedding)
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
