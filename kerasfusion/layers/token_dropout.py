import keras
from keras import ops

# Their place in every vocabulary, see `kf.Schema`.
PAD, UNKNOWN = 0, 1


@keras.saving.register_keras_serializable("kerasfusion")
class TokenDropout(keras.layers.Layer):
    """Replace random tokens by the unknown token in training (word dropout, arXiv 1511.06349).

    Args:
        rate: float in [0, 1], probability of replacing a token.
        seed: Optional int. `None` uses Keras's global seed.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.
        training: Optional bool.

    Returns:
        int32 `(B, L)`, with 1, the unknown token, in place of the dropped tokens.

    Example:

    ```python
    noisy = TokenDropout(0.2)(keras.ops.array([[4, 5, 6, 0]]), training=True)
    ```
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def compute_output_shape(self, ids_shape):
        return ids_shape

    def call(self, ids, training=None):
        if not training:
            return ids
        lost = keras.random.uniform(ops.shape(ids), seed=self.random) < self.rate
        return ops.where(ops.logical_and(lost, ops.not_equal(ids, PAD)), UNKNOWN, ids)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
