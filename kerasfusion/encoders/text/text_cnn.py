import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class TextCNN(TextEncoder):
    """Convolutional text encoder with max pooling over time (arXiv 1408.5882).

        c_k = relu(W_k * x + b_k) for every kernel size k,   pooled = relu(W [max_l c_k[l]]_k + b)

    `sequence` is the same dense layer at every position.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.
        kernel_sizes: sequence of int, widths of the convolutions in tokens. Defaults to `(3, 4, 5)`.
        filters: int, filters of each convolution. Defaults to 100.

    Example:

    ```python
    text = TextCNN(vocabulary_size=1000, units=128)(keras.ops.array([[4, 5, 6], [7, 0, 0]]))
    text["pooled"]  # (2, 128)
    ```
    """

    def __init__(self, vocabulary_size, units, kernel_sizes=(3, 4, 5), filters=100, **kwargs):
        super().__init__(vocabulary_size, units, **kwargs)
        self.kernel_sizes = tuple(kernel_sizes)
        self.filters = filters

    def build_encoder(self, embedded_shape):
        self.convolutions = [
            keras.layers.Conv1D(
                self.filters,
                window,
                padding="same",
                activation="relu",
                name=f"conv_{window}",
                dtype=self.dtype_policy,
            )
            for window in self.kernel_sizes
        ]
        for convolution in self.convolutions:
            convolution.build(embedded_shape)
        self.projection = self.dense_to_units((*embedded_shape[:-1], self.filters * len(self.kernel_sizes)))

    def encode(self, embedded, mask, training):
        # Zeros at padding, as outside of the text: more padding must not change what a window at the end sees. And
        # zeros there again behind the convolutions: no answer is below 0, so that padding is never the largest.
        word = ops.cast(mask, embedded.dtype)[..., None]
        answers = ops.concatenate([convolution(embedded * word) for convolution in self.convolutions], axis=-1) * word
        return self.projection(answers), self.projection(ops.max(answers, axis=1))

    def get_config(self):
        return {**super().get_config(), "kernel_sizes": self.kernel_sizes, "filters": self.filters}
