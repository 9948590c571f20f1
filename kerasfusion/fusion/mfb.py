import functools
import itertools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.normalize import signed_root_norm


@keras.saving.register_keras_serializable("kerasfusion")
class MFBFusion(Fusion):
    """`ssn(SumPool_k(⊙_m U_m x_m))`: factorized bilinear pooling (MFB, arXiv 1708.01471).

    Each place of the result is a full bilinear form of rank `num_factors`; `ssn` is the signed square root followed
    by division by the length.

    Args:
        units: Width of the fused representation.
        num_factors: `k`, how many products are summed for each place.
        dropout: Dropout rate on the fused representation.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = MFBFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    order = 1

    def __init__(self, units, num_factors=5, **kwargs):
        super().__init__(units, **kwargs)
        self.num_factors = num_factors

    def build_fusion(self, shapes):
        self.inputs = self.dense_each("in", shapes, self.units * self.num_factors)

    def fuse(self, values, training):
        product = functools.reduce(operator.mul, (self.inputs[name](value) for name, value in values.items()))
        product = ops.reshape(product, (-1, self.order, self.units // self.order, self.num_factors))
        stages = itertools.accumulate(ops.unstack(product, axis=1), operator.mul)
        return ops.concatenate([signed_root_norm(ops.sum(stage, axis=-1)) for stage in stages], axis=-1)

    def get_config(self):
        return {**super().get_config(), "num_factors": self.num_factors}
