import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder, masked_sum


@keras.saving.register_keras_serializable("kerasfusion")
class AverageEmbeddingEncoder(TextEncoder):
    """A dense layer on the mean of the word vectors ("deep averaging network" with one layer).

    Example:

    ```python
    text = AverageEmbeddingEncoder(vocabulary_size=1000, units=64)(token_ids)["pooled"]  # (B, 64)
    ```
    """

    def build_encoder(self, embedded_shape):
        self.projection = keras.layers.Dense(
            self.units, activation="relu", name="projection", dtype=self.dtype_policy
        )
        self.projection.build((embedded_shape[0], embedded_shape[-1]))

    def encode(self, embedded, mask, training):
        words = ops.sum(ops.cast(mask, embedded.dtype), axis=1, keepdims=True)
        mean = masked_sum(embedded, mask) / ops.maximum(words, 1.0)
        return self.projection(embedded), self.projection(mean)
