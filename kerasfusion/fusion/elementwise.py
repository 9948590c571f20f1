import functools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


class ElementwiseFusion(Fusion):
    """Base class of fusions that project every modality to one width, combine elementwise and project again."""

    def build_fusion(self, shapes):
        self.inputs = self.dense_each("in", shapes, self.units, self.activation)
        self.projection = self.dense("projection", self.units, self.units)

    def fuse(self, values, training):
        joined = functools.reduce(self.join, (self.inputs[name](value) for name, value in values.items()))
        return self.projection(joined)


@keras.saving.register_keras_serializable("kerasfusion")
class SumFusion(ElementwiseFusion):
    """Sum of projected vectors: `P(relu(U t) + relu(V v))`.

    Args:
        units: int, width of the fused representation.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = SumFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    activation = "relu"
    join = staticmethod(operator.add)


@keras.saving.register_keras_serializable("kerasfusion")
class MultiplyFusion(ElementwiseFusion):
    """Low-rank bilinear pooling: `P(tanh(U t) ⊙ tanh(V v))` (MLB, arXiv 1610.04325).

    A component of the product is large only if it is large in every modality, so the text acts as a gate on the image
    features.

    Args:
        units: int, width of the fused representation.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = MultiplyFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    activation = "tanh"
    join = staticmethod(ops.multiply)
