import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder
from kerasfusion.layers import TransformerBlock


@keras.saving.register_keras_serializable("kerasfusion")
class VisionTransformer(ImageEncoder):
    """Vision transformer: self-attention over image patches (ViT, arXiv 2010.11929).

    Patch and position embeddings are added; transformer blocks, layer normalization and a dense layer follow.
    `pooled` is the mean over the patches, which the paper found to be as good as a class token.

    Args:
        units: int, width `d` of the output.
        patch_size: int, side of the square patches in pixels. Defaults to 8.
        hidden_dim: Optional int, width of the blocks. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of blocks. Defaults to 4.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.

    Call arguments:
        pixels: uint8 `(B, H, W, 3)` in 0..255.

    Returns:
        dict: `grid`, `sequence` and `pooled`, see `ImageEncoder`.

    Raises:
        ValueError: at build time, if `patch_size` does not divide the image's sides or `num_heads` does not divide
            `hidden_dim`.

    Example:

    ```python
    image = VisionTransformer(units=128, patch_size=8, num_heads=4)(keras.ops.zeros((2, 32, 32, 3), "uint8"))
    image["grid"]  # (2, 4, 4, 128): H // 8, W // 8
    ```
    """

    def __init__(self, units, patch_size=8, hidden_dim=None, num_heads=4, num_layers=4, dropout=0.0, **kwargs):
        super().__init__(units, dropout=dropout, **kwargs)
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.num_layers = num_layers

    def build_encoder(self, pixels_shape):
        batch, height, width, _ = pixels_shape
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"{self.name}: patches of {self.patch_size} pixels do not fill images of {height} x {width}. Choose "
                "another patch, or images whose sides it divides."
            )
        dtype, inner = self.dtype_policy, self.hidden_dim or self.units
        self.embed = keras.layers.Conv2D(inner, self.patch_size, strides=self.patch_size, name="embed", dtype=dtype)
        self.embed.build(pixels_shape)
        self.rows, self.columns = height // self.patch_size, width // self.patch_size
        shape = (batch, self.rows * self.columns, inner)
        self.positions = self.add_weight(
            shape=shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.02), name="positions"
        )
        self.blocks = [
            TransformerBlock(self.num_heads, name=f"block_{i}", dtype=dtype) for i in range(self.num_layers)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=dtype)
        self.projection = keras.layers.Dense(self.units, name="projection", dtype=dtype)
        for layer in (*self.blocks, self.norm, self.projection):
            layer.build(shape)

    def encode(self, pixels, training):
        patches = self.embed(pixels)
        tokens = ops.reshape(patches, (-1, self.rows * self.columns, patches.shape[-1])) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.projection(self.norm(tokens))
        grid = ops.reshape(tokens, (-1, self.rows, self.columns, self.units))
        return grid, ops.mean(tokens, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
        }
