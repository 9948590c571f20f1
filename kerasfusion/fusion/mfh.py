import keras

from kerasfusion.fusion.mfb import MFBFusion


@keras.saving.register_keras_serializable("kerasfusion")
class MFHFusion(MFBFusion):
    """Multi-modal factorized high-order pooling (MFH, arXiv 1708.03619).

        z_0 = 1,   z_i = z_{i-1} ⊙ (⊙_m U_{m,i} x_m),   output = [ssn(SumPool_k(z_1)); …; ssn(SumPool_k(z_p))]

    A cascade of `p` MFB blocks, each multiplied by the previous one.

    Args:
        units: int, width of the fused representation, all blocks together.
        order: int, `p`, number of blocks; must divide `units`. Defaults to 2.
        num_factors: int, `k`, number of products summed per component. Defaults to 5.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: if `units` is not divisible by `order`.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = MFHFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    def __init__(self, units, order=2, **kwargs):
        super().__init__(units, **kwargs)
        if units % order:
            raise ValueError(f"{self.name}: {units} units cannot be shared out among {order} blocks.")
        self.order = order

    def get_config(self):
        return {**super().get_config(), "order": self.order}
