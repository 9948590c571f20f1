import keras
from keras import ops

# Their place in every vocabulary, see `kf.Schema`.
PAD, UNKNOWN = 0, 1


@keras.saving.register_keras_serializable("kerasfusion")
class TokenDropout(keras.layers.Layer):
    """Make some words unknown while training: what noise is to pixels (arXiv 1511.06349).

    Args:
        rate: Share of the words.
        seed: Seed of which ones; None draws it from Keras's own.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        int32 `(B, L)`: 1, the unknown word, in the place of some of the words.

    Example:

    ```python
    noisy = TokenDropout(0.2)(ids, training=True)
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
