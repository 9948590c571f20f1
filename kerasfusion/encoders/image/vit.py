import keras
from keras import ops

from kerasfusion.encoders.image.base import ImageEncoder
from kerasfusion.layers import TransformerBlock


@keras.saving.register_keras_serializable("kerasfusion")
class VisionTransformer(ImageEncoder):
    """Patches of the image attend to one another (ViT, arXiv 2010.11929).

    Every patch is one vector plus a learned one for its place; then transformer blocks, `LN`, a dense layer. `pooled`
    is the mean over the patches, which the paper found to do as well as a class token.

    Args:
        units: Width of the output.
        patch: Side of the square patches in pixels.
        width: Width of the blocks; `None` means `units`.
        heads: Number of attention heads; must divide `width`.
        depth: Number of blocks.
        dropout: Dropout rate on the pooled vector.

    Raises:
        ValueError: at build time, when patches do not fill the image, or `width` is not divisible by `heads`.

    Example:

    ```python
    image = VisionTransformer(units=128, patch=8, heads=4)(pixels)
    image["grid"]  # (B, H // 8, W // 8, 128)
    ```
    """

    def __init__(self, units, patch=8, width=None, heads=4, depth=4, dropout=0.0, **kwargs):
        super().__init__(units, dropout=dropout, **kwargs)
        self.patch = patch
        self.width = width
        self.heads = heads
        self.depth = depth

    def build_encoder(self, pixels_shape):
        batch, height, width, _ = pixels_shape
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"{self.name}: patches of {self.patch} pixels do not fill images of {height} x {width}. Choose "
                "another patch, or images whose sides it divides."
            )
        dtype, inner = self.dtype_policy, self.width or self.units
        self.embed = keras.layers.Conv2D(inner, self.patch, strides=self.patch, name="embed", dtype=dtype)
        self.embed.build(pixels_shape)
        self.rows, self.columns = height // self.patch, width // self.patch
        shape = (batch, self.rows * self.columns, inner)
        self.positions = self.add_weight(
            shape=shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.02), name="positions"
        )
        self.blocks = [TransformerBlock(self.heads, name=f"block_{i}", dtype=dtype) for i in range(self.depth)]
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
            "patch": self.patch,
            "width": self.width,
            "heads": self.heads,
            "depth": self.depth,
        }
