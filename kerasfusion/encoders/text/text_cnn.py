import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder


@keras.saving.register_keras_serializable("kerasfusion")
class TextCNN(TextEncoder):
    """Convolutions over windows of words, and the largest answer of each filter (arXiv 1408.5882).

    `c_k = relu(W_k * x + b_k)` for every window width `k`; `pooled` is a dense layer on `max_l c_k[l]`, all widths
    side by side, and `sequence` the same layer on every place's answers.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: As in
        `TextEncoder`. kernel_sizes: Words that a filter sees, one convolution each. filters: Filters of each
        convolution.

    Example:

    ```python
    text = TextCNN(vocabulary_size=1000, units=128)(token_ids)
    text["pooled"]  # (B, 128)
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
