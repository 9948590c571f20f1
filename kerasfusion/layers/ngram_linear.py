import keras
from keras import ops

from kerasfusion.layers.ngrams import distinct_ngrams


@keras.saving.register_keras_serializable("kerasfusion")
class NGramLinear(keras.layers.Layer):
    """Linear model of hashed n-grams of tokens: the wide part of wide & deep learning (arXiv 1606.07792).

    `y = scale · Σ_g W[hash(g)] / √G` over the `G` distinct n-grams `g` of a text, of 1 to `max_n` tokens. `W` starts
    at zero. N-grams with a special token, such as the unknown word, do not count. `scale` lets a weight reach the
    size that a rare n-gram needs within the few steps that see it; otherwise Adam's bounded steps keep it near zero.

    Args:
        outputs: int, width of the output.
        max_n: int, tokens of the longest n-grams. Defaults to 2.
        buckets: int, rows of `W`; n-grams with equal hashes share a row. Defaults to `2**18`.
        scale: float, factor of the output. Defaults to 32.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        float32 `(B, outputs)`, zero for an empty text.

    Example:

    ```python
    logits = NGramLinear(13)(keras.ops.array([[4, 5, 6, 0]]))  # (1, 13)
    ```
    """

    def __init__(self, outputs, max_n=2, buckets=2**18, scale=32.0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.outputs = outputs
        self.max_n = max_n
        self.buckets = buckets
        self.scale = scale

    def build(self, ids_shape):
        # The last row is that of n-grams that do not count.
        shape = (self.buckets + 1, self.outputs)
        self.table = self.add_weight(shape=shape, initializer="zeros", name="table")

    def call(self, ids):
        rows, counted = distinct_ngrams(ids, self.max_n, self.buckets)
        counted = ops.cast(counted, self.table.dtype)
        total = ops.maximum(ops.sum(counted, axis=1, keepdims=True), 1.0)
        weights = ops.expand_dims(counted / ops.sqrt(total), 1)
        return self.scale * ops.squeeze(ops.matmul(weights, ops.take(self.table, rows, axis=0)), 1)

    def compute_output_shape(self, ids_shape):
        return (ids_shape[0], self.outputs)

    def get_config(self):
        own = ("outputs", "max_n", "buckets", "scale")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
