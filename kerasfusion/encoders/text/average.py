import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder, masked_sum


@keras.saving.register_keras_serializable("kerasfusion")
class AverageEmbeddingEncoder(TextEncoder):
    """A dense layer on the mean of the word vectors ("deep averaging network" with one layer).

    Args:
        vocabulary_size: Number of token ids, the four special ones included.
        units: Width of the output.
        activation: Of the dense layer. None keeps every word's share of the mean as it is, for a fusion that makes
            its own use of them.

    Example:

    ```python
    text = AverageEmbeddingEncoder(vocabulary_size=1000, units=64)(token_ids)["pooled"]  # (B, 64)
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
