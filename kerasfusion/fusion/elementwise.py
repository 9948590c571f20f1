import functools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


class ElementwiseFusion(Fusion):
    """Base of the fusions that bring every modality to one width, join place by place, and project."""

    def build_fusion(self, shapes):
        self.inputs = self.dense_each("in", shapes, self.units, self.activation)
        self.projection = self.dense("projection", self.units, self.units)

    def fuse(self, values, training):
        joined = functools.reduce(self.join, (self.inputs[name](value) for name, value in values.items()))
        return self.projection(joined)


@keras.saving.register_keras_serializable("kerasfusion")
class SumFusion(ElementwiseFusion):
    """`P(relu(U t) + relu(V v))`: each modality adds its own evidence.

    Args:
        units: Width of the fused representation.
        dropout: Dropout rate on it.

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
    """`P(tanh(U t) ⊙ tanh(V v))`: low-rank bilinear pooling (MLB, arXiv 1610.04325).

    A place of the result is large only where both modalities agree, so the text selects what of the image
    passes.

    Args:
        units: Width of the fused representation.
        dropout: Dropout rate on it.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = MultiplyFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    activation = "tanh"
    join = staticmethod(ops.multiply)
