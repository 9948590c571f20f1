import functools
import itertools
import operator

import keras
from keras import ops

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.normalize import signed_root_norm


@keras.saving.register_keras_serializable("kerasfusion")
class MFBFusion(Fusion):
    """Multi-modal factorized bilinear pooling: `ssn(SumPool_k(⊙_m U_m x_m))` (MFB, arXiv 1708.01471).

    Each output component is a bilinear form of rank `k`. `ssn` is a signed square root followed by L2 normalization.

    Args:
        units: int, width of the fused representation.
        num_factors: int, `k`, number of products summed per component. Defaults to 5.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

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
