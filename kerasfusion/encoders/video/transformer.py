import keras
from keras import ops

from kerasfusion.encoders.text.transformer import positions
from kerasfusion.encoders.video.base import FrameEncoder
from kerasfusion.layers import TransformerBlock


@keras.saving.register_keras_serializable("kerasfusion")
class FrameTransformer(FrameEncoder):
    """Transformer over the frames' vectors: the factorized encoder of ViViT (arXiv 2103.15691).

        z_t = x_t + p_t,   then transformer blocks, layer normalization and a dense layer

    `p_t` are sinusoidal position embeddings (learned in the paper), and `pooled` is the mean over time.

    Args:
        units, frame_encoder, dropout: See `FrameEncoder`.
        num_heads: int, number of attention heads; must divide `units`. Defaults to 4.
        num_layers: int, number of blocks. Defaults to 2.

    Raises:
        ValueError: at build time, if `units` is not divisible by `num_heads`.

    Example:

    ```python
    video = FrameTransformer(units=128)(keras.ops.zeros((2, 8, 32, 32, 3), "uint8"))
    video["pooled"]  # (2, 128)
    ```
    """

    def __init__(self, units, frame_encoder=None, num_heads=4, num_layers=2, **kwargs):
        super().__init__(units, frame_encoder, **kwargs)
        self.num_heads = num_heads
        self.num_layers = num_layers

    def build_join(self, tokens_shape):
        dtype = self.dtype_policy
        self.blocks = [
            TransformerBlock(self.num_heads, name=f"block_{i}", dtype=dtype) for i in range(self.num_layers)
        ]
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="final_norm", dtype=dtype)
        self.projection = keras.layers.Dense(self.units, name="projection", dtype=dtype)
        for layer in (*self.blocks, self.final_norm, self.projection):
            layer.build(tokens_shape)

    def join(self, tokens, training):
        tokens = tokens + ops.cast(positions(tokens.shape[1], self.units), tokens.dtype)
        for block in self.blocks:
            tokens = block(tokens)
        sequence = self.projection(self.final_norm(tokens))
        return sequence, ops.mean(sequence, axis=1)

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "num_layers": self.num_layers}
