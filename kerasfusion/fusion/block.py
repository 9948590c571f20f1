import keras

from kerasfusion.fusion.mutan import MUTANFusion
from kerasfusion.fusion.normalize import signed_root_norm


@keras.saving.register_keras_serializable("kerasfusion")
class BlockFusion(MUTANFusion):
    """`W_o [z_1; …; z_C]`, `z_c = ssn(Σ_r ⊙_m M_{m,c}^r (U_m x_m)_c)`: block-term fusion (BLOCK, arXiv 1902.00038).

    The projected vectors are cut into `chunks`; each chunk has a low-rank bilinear form of its own, and is brought
    to length 1 after a signed square root. Every `U`, `M` and `W` has a bias.

    Args:
        units: Width of the fused representation.
        hidden_dim: Width inside, all chunks together; `None` means `units`.
        chunks: `C`, the number of chunks.
        rank: Number of terms in each chunk.
        dropout: Dropout rate on the fused representation.

    Raises:
        ValueError: `hidden_dim` is not divisible by `chunks`.

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
