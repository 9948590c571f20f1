import functools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion


class ElementwiseFusion(Fusion):
    """Base of the fusions that bring every modality to one width, join place by place, and project."""

    def build_fusion(self, shapes):
        self.inputs = {}
        for name, shape in sorted(shapes.items()):
            self.inputs[name] = keras.layers.Dense(
                self.units, activation=self.activation, name=f"in_{name}", dtype=self.dtype_policy
            )
            self.inputs[name].build(shape)
        self.projection = keras.layers.Dense(self.units, name="projection", dtype=self.dtype_policy)
        self.projection.build((None, self.units))

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
    fused = SumFusion(128)({"text": text_vector, "image": image_vector})  # (B, 128)
    ```
    """

    activation = "relu"
    join = staticmethod(operator.add)


@keras.saving.register_keras_serializable("kerasfusion")
class MultiplyFusion(ElementwiseFusion):
    """`P(tanh(U t) ⊙ tanh(V v))`: low-rank bilinear pooling (MLB, arXiv 1610.04325).

    A place of the result is large only where both modalities agree, so the text selects what of the picture
    passes.

    Args:
        units: Width of the fused representation.
        dropout: Dropout rate on it.

    Example:

    ```python
    fused = MultiplyFusion(128)({"text": text_vector, "image": image_vector})  # (B, 128)
    ```
    """

    activation = "tanh"
    join = staticmethod(ops.multiply)
