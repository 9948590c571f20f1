import keras

from kerasfusion.fusion.mutan import MUTANFusion
from kerasfusion.fusion.normalize import signed_root_norm


@keras.saving.register_keras_serializable("kerasfusion")
class BlockFusion(MUTANFusion):
    """Block-term bilinear fusion (BLOCK, arXiv 1902.00038).

        z_c = ssn(Σ_r ⊙_m M_{m,c}^r (U_m x_m)_c),   output = W [z_1; …; z_C]

    The projected vectors are cut into `C` chunks. Each chunk has its own low-rank bilinear form, followed by a signed
    square root and L2 normalization (`ssn`). Every `U`, `M` and `W` has a bias.

    Args:
        units: int, width of the fused representation.
        hidden_dim: Optional int, width of the projected vectors, all chunks together. Defaults to `units`.
        chunks: int, number of chunks `C`. Defaults to 4.
        rank: int, number of terms per chunk. Defaults to 5.
        dropout: float, dropout rate on the fused representation. Defaults to 0.

    Raises:
        ValueError: if `hidden_dim` is not divisible by `chunks`.

    Example:

    ```python
    text, image = keras.random.normal((2, 8)), keras.random.normal((2, 16))
    fused = BlockFusion(128)({"text": text, "image": image})  # (2, 128)
    ```
    """

    activation = None
    normalize = staticmethod(signed_root_norm)

    def __init__(self, units, hidden_dim=None, chunks=4, **kwargs):
        super().__init__(units, hidden_dim, **kwargs)
        if (hidden_dim or units) % chunks:
            raise ValueError(f"{self.name}: a width of {hidden_dim or units} cannot be cut into {chunks} chunks.")
        self.chunks = chunks

    def get_config(self):
        return {**super().get_config(), "chunks": self.chunks}
