import keras

from kerasfusion.fusion.mfb import MFBFusion


@keras.saving.register_keras_serializable("kerasfusion")
class MFHFusion(MFBFusion):
    """`[y_1; …; y_p]`, `y_i = ssn(SumPool_k(z_i))`, `z_i = z_{i-1} ⊙ (⊙_m U_{m,i} x_m)`, `z_0 = 1`.

    Factorized high-order pooling (MFH, arXiv 1708.03619): `order` MFB blocks, each multiplied by the one before.

    Args:
        units: Width of the fused representation, all blocks together.
        order: `p`, the number of blocks.
        num_factors: `k`, how many products are summed for each place.
        dropout: Dropout rate on the fused representation.

    Raises:
        ValueError: `units` is not divisible by `order`.

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
