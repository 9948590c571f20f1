import math

import keras
from keras import ops

from kerasfusion.encoders.signal.base import SignalEncoder, join_frames
from kerasfusion.encoders.text.transformer import positions
from kerasfusion.layers import TransformerBlock
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class SignalTransformer(SignalEncoder):
    """Transformer encoder over joined frames, as of patches of a series (PatchTST, arXiv 2211.14730).

        x_l = W f_l + b + p_l,   then transformer blocks, layer normalization and a dense layer

    `f_l` are neighbouring frames, joined where there are more than `max_frames`, and `p_l` sinusoidal position
    embeddings. `pooled` is the mean over the frames that are there. The paper encodes each channel by itself.

    Args:
        units, mean, std, rate, num_mels, dropout: See `SignalEncoder`.
        num_heads: int, number of attention heads; must divide `units`. Defaults to 4.
        num_layers: int, number of blocks. Defaults to 2.
        max_frames: int, most tokens. Defaults to 64.

    Raises:
        ValueError: at build time, if `units` is not divisible by `num_heads`.

    Example:

    ```python
    encoder = SignalTransformer(units=128, mean=(0.0,), std=(0.1,), rate=16000)
    encoder(keras.random.normal((2, 16000, 1)))["sequence"]  # (2, 51, 128)
    ```
    """

    def __init__(self, units, mean, std, num_heads=4, num_layers=2, max_frames=64, **kwargs):
        super().__init__(units, mean, std, **kwargs)
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.max_frames = max_frames

    def build_encoder(self, frames_shape):
        rows, count, width = frames_shape
        self.join = math.ceil(count / self.max_frames)
        shape, dtype = (rows, math.ceil(count / self.join), self.units), self.dtype_policy
        self.entry = keras.layers.Dense(self.units, name="entry", dtype=dtype)
        self.entry.build((*shape[:2], self.join * width))
        self.blocks = [
            TransformerBlock(self.num_heads, name=f"block_{i}", dtype=dtype) for i in range(self.num_layers)
        ]
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="final_norm", dtype=dtype)
        self.projection = keras.layers.Dense(self.units, name="projection", dtype=dtype)
        for layer in (*self.blocks, self.final_norm, self.projection):
            layer.build(shape)

    def encode(self, frames, mask, training):
        frames, mask = join_frames(frames, mask, self.join)
        tokens = self.entry(frames)
        tokens = tokens + ops.cast(positions(tokens.shape[1], self.units), tokens.dtype)
        # Attention needs a token: where there is none, all are attended to, and the mean below is 0.
        attended = ops.logical_or(mask, ops.logical_not(ops.any(mask, axis=1, keepdims=True)))
        for block in self.blocks:
            tokens = block(tokens, attended=attended)
        tokens = self.final_norm(tokens)
        return self.projection(tokens), self.projection(masked_mean(tokens, mask, axis=1)), mask

    def get_config(self):
        own = {name: getattr(self, name) for name in ("num_heads", "num_layers", "max_frames")}
        return {**super().get_config(), **own}
