import keras

from kerasfusion.encoders.text.base import TextEncoder, masked_sum


@keras.saving.register_keras_serializable("kerasfusion")
class BagOfWordsEncoder(TextEncoder):
    """`relu(W · counts + b)`: which words occur and how often, not in which order.

    The product with the count vector is computed as a sum of rows of `W`, so no vector of the vocabulary's
    width is ever made.

    Example:

    ```python
    text = BagOfWordsEncoder(vocabulary_size=1000, units=32)(token_ids)["pooled"]  # (B, 32)
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
