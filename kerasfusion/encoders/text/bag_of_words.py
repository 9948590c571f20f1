import keras

from kerasfusion.encoders.text.base import TextEncoder, masked_sum


@keras.saving.register_keras_serializable("kerasfusion")
class BagOfWordsEncoder(TextEncoder):
    """Two dense layers on the vector of token counts: `relu(W_2 relu(W_1 · counts + b_1) + b_2)`.

    The first product is computed as a sum of embeddings, so no vector of the vocabulary's width is formed.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.

    Example:

    ```python
    token_ids = keras.ops.array([[4, 5, 6], [7, 0, 0]])
    text = BagOfWordsEncoder(vocabulary_size=1000, units=32)(token_ids)["pooled"]  # (2, 32)
    ```
    """

    def build_encoder(self, embedded_shape):
        self.bias = self.add_weight(shape=(embedded_shape[-1],), initializer="zeros", name="bias")
        self.projection = keras.layers.Dense(
            self.units, activation="relu", name="projection", dtype=self.dtype_policy
        )
        self.projection.build((embedded_shape[0], embedded_shape[-1]))

    def encode(self, embedded, mask, training):
        counts = keras.ops.relu(masked_sum(embedded, mask) + self.bias)
        return self.projection(embedded), self.projection(counts)
