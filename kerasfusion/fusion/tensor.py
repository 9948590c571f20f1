import functools
import math

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion

# More products than this make a kernel of half a gigabyte at 128 units.
MOST_PRODUCTS = 2**20


@keras.saving.register_keras_serializable("kerasfusion")
class TensorFusion(Fusion):
    """Tensor fusion: a dense layer on the outer product of all modalities (TFN, arXiv 1707.07250).

        x̃_m = U_m x_m + b_m,   output = relu(W vec(⊗_m [1; x̃_m]))

    The constant 1 keeps the vectors themselves, and the products of subsets of them, among the features. `W` has
    `Π_m (hidden_dim + 1)` inputs: keep `hidden_dim` small, especially with more than two modalities. The linear
    projection to `hidden_dim` is our addition; the paper multiplies the vectors themselves.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of each `x̃_m`. `None` uses the vectors unchanged, as in the paper. Defaults
            to 16.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: at build time, if the outer product has more than 2^20 entries, as that of five modalities has by
            default.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = TensorFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, hidden_dim=16, **kwargs):
        super().__init__(units, **kwargs)
        self.hidden_dim = hidden_dim

    def build_fusion(self, shapes):
        products = math.prod((self.hidden_dim or shape[-1]) + 1 for shape in shapes.values())
        if products > MOST_PRODUCTS:
            raise ValueError(
                f"{self.name}: the outer product of {len(shapes)} modalities has {products:,} entries, more than "
                f"{MOST_PRODUCTS:,}. Choose a smaller hidden_dim, or LowRankFusion, which never forms the product. "
                f"Received: hidden_dim={self.hidden_dim}"
            )
        self.inputs = {} if self.hidden_dim is None else self.dense_each("in", shapes, self.hidden_dim)
        # The product of all the ones is the bias.
        self.projection = self.dense("projection", products, self.units, "relu", use_bias=False)

    def fuse(self, values, training):
        if self.inputs:
            values = {name: self.inputs[name](value) for name, value in values.items()}
        extended = (ops.pad(value, ((0, 0), (1, 0)), constant_values=1) for value in values.values())
        return self.projection(functools.reduce(_outer, extended))

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim}


def _outer(a, b):
    """Flattened outer product per row: `(B, m)`, `(B, n)` -> `(B, m·n)`."""
    return ops.reshape(a[:, :, None] * b[:, None, :], (-1, a.shape[1] * b.shape[1]))
