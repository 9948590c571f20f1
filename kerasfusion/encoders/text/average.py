import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder, masked_sum


@keras.saving.register_keras_serializable("kerasfusion")
class AverageEmbeddingEncoder(TextEncoder):
    """Deep averaging network with one layer: a dense layer on the mean token embedding (Iyyer et al., ACL 2015).

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.
        activation: Optional str, activation of the dense layer. `None` keeps the output linear in the token
            embeddings. Defaults to `"relu"`.

    Example:

    ```python
    token_ids = keras.ops.array([[4, 5, 6], [7, 0, 0]])
    text = AverageEmbeddingEncoder(vocabulary_size=1000, units=64)(token_ids)["pooled"]  # (2, 64)
    ```
    """

    def __init__(self, vocabulary_size, units, activation="relu", **kwargs):
        super().__init__(vocabulary_size, units, **kwargs)
        self.activation = activation

    def build_encoder(self, embedded_shape):
        self.projection = self.dense_to_units((embedded_shape[0], embedded_shape[-1]), self.activation)

    def encode(self, embedded, mask, training):
        words = ops.sum(ops.cast(mask, embedded.dtype), axis=1, keepdims=True)
        mean = masked_sum(embedded, mask) / ops.maximum(words, 1.0)
        return self.projection(embedded), self.projection(mean)

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}
