import functools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


@keras.saving.register_keras_serializable("kerasfusion")
class MUTANFusion(Fusion):
    """`W_o Σ_r ⊙_m (M_m^r tanh(U_m x_m))`: a Tucker decomposition of the bilinear form (MUTAN, arXiv 1705.06676).

    The core tensor, which says which places of the two vectors are multiplied, is itself of rank `rank`. Every
    `U`, `M` and `W` has a bias.

    Args:
        units: Width of the fused representation.
        hidden_dim: Width inside; `None` means `units`.
        rank: Number of terms.
        dropout: Dropout rate on the fused representation.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = MUTANFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    activation: str | None = "tanh"
    chunks = 1

    def __init__(self, units, hidden_dim=None, rank=5, **kwargs):
        super().__init__(units, **kwargs)
        self.hidden_dim = hidden_dim
        self.rank = rank

    def build_fusion(self, shapes):
        width = self.hidden_dim or self.units
        self.chunk_shape = (self.chunks, width // self.chunks)
        self.inputs = self.dense_each("in", shapes, width, self.activation)
        self.factors = {
            name: keras.layers.EinsumDense(
                "bcw,cwr->bcr",
                (self.chunks, self.rank * width // self.chunks),
                bias_axes="cr",
                name=f"factors_{name}",
                dtype=self.dtype_policy,
            )
            for name in shapes
        }
        for layer in self.factors.values():
            layer.build((None, *self.chunk_shape))
        self.projection = self.dense("projection", width, self.units)

    def fuse(self, values, training):
        chunks, width = self.chunk_shape
        factors = (self._factors(name, self.inputs[name](value)) for name, value in values.items())
        product = functools.reduce(operator.mul, factors)
        terms = ops.reshape(product, (-1, chunks, self.rank, width))
        merged = self.normalize(ops.sum(terms, axis=2))
        return self.projection(ops.reshape(merged, (-1, chunks * width)))

    def _factors(self, name, inner):
        """`(B, width)` to `(B, chunks, rank · width / chunks)`; without the axis of chunks where there is one."""
        layer = self.factors[name]
        if self.chunks == 1:
            # One product of two dimensions is quicker than a batch of one product.
            return ops.matmul(inner, layer.kernel[0]) + layer.bias[0]
        return layer(ops.reshape(inner, (-1, *self.chunk_shape)))

    def normalize(self, merged):
        """What happens to the sum of the terms `(B, chunks, width / chunks)` before the last projection."""
        return merged

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim, "rank": self.rank}
