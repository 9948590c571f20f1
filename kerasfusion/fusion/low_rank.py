import functools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


@keras.saving.register_keras_serializable("kerasfusion")
class LowRankFusion(Fusion):
    """Tensor fusion with a low-rank weight tensor (LMF, arXiv 1806.00064).

        output = relu(Σ_r w_r ⊙_m (F_m^r [1; x_m]) + b)

    Equivalent to `TensorFusion` with a weight matrix of low rank, but the outer product is never formed: the cost
    grows with the sum of the modalities' widths instead of their product. The ReLU is that of `TensorFusion`: without
    it the output is linear in each modality, and a head cannot answer what takes two properties of one image.

    Args:
        units: int, width of the fused representation.
        rank: int, number of terms. Defaults to 4.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = LowRankFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, rank=4, **kwargs):
        super().__init__(units, **kwargs)
        self.rank = rank

    def build_fusion(self, shapes):
        self.factors = self.dense_each("factors", shapes, self.rank * self.units)
        self.rank_weights = self.add_weight(shape=(self.rank,), initializer="ones", name="rank_weights")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def fuse(self, values, training):
        product = functools.reduce(operator.mul, (self.factors[name](value) for name, value in values.items()))
        terms = ops.reshape(product, (-1, self.rank, self.units))
        return ops.relu(ops.sum(terms * ops.expand_dims(self.rank_weights, -1), axis=1) + self.bias)

    def get_config(self):
        return {**super().get_config(), "rank": self.rank}
