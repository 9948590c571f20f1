import functools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


@keras.saving.register_keras_serializable("kerasfusion")
class MUTANFusion(Fusion):
    """Bilinear fusion by a Tucker decomposition: `W Σ_r ⊙_m (M_m^r tanh(U_m x_m))` (MUTAN, arXiv 1705.06676).

    The Tucker core tensor is constrained to rank `rank`. Every `U`, `M` and `W` has a bias.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the projected vectors. Defaults to `units`.
        rank: int, rank of the core tensor. Defaults to 5.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

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
        """Project `(B, width)` to `(B, chunks, rank · width / chunks)`; a single chunk has no axis of chunks."""
        layer = self.factors[name]
        if self.chunks == 1:
            # One product of two dimensions is quicker than a batch of one product.
            return ops.matmul(inner, layer.kernel[0]) + layer.bias[0]
        return layer(ops.reshape(inner, (-1, *self.chunk_shape)))

    def normalize(self, merged):
        """Transform the sum of the terms `(B, chunks, width / chunks)`; here the identity."""
        return merged

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim, "rank": self.rank}
