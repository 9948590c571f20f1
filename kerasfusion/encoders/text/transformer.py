import keras
from keras import ops

from kerasfusion.encoders.text.base import TextEncoder, masked_sum
from kerasfusion.layers import TransformerBlock


@keras.saving.register_keras_serializable("kerasfusion")
class TransformerTextEncoder(TextEncoder):
    """Transformer encoder over the tokens (arXiv 1706.03762).

        x_l = √d W e_l + p_l,   then transformer blocks, layer normalization and a dense layer

    `p_l` are the paper's sinusoidal position embeddings. Their norm is `√(d / 2)`, so the token embeddings, of about
    unit norm, are scaled by `√d`. The normalization precedes each sublayer (see `kf.layers.TransformerBlock`).
    `pooled` is the mean over the tokens.

    Args:
        vocabulary_size, units, embedding_dim, dropout, pretrained_embeddings, trainable_embeddings, vocabulary: See
            `TextEncoder`.
        hidden_dim: Optional int, width of the blocks. Defaults to `units`.
        num_heads: int, number of attention heads; must divide `hidden_dim`. Defaults to 4.
        num_layers: int, number of blocks. Defaults to 2.

    Raises:
        ValueError: at build time, if `hidden_dim` is not divisible by `num_heads`.

    Example:

    ```python
    encoder = TransformerTextEncoder(vocabulary_size=1000, units=128, num_heads=4)
    encoder(keras.ops.array([[4, 5, 6], [7, 0, 0]]))["sequence"]  # (2, 3, 128)
    ```
    """

    def __init__(self, vocabulary_size, units, hidden_dim=None, num_heads=4, num_layers=2, **kwargs):
        super().__init__(vocabulary_size, units, **kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.num_layers = num_layers

    def build_encoder(self, embedded_shape):
        width, dtype = self.hidden_dim or self.units, self.dtype_policy
        shape = (*embedded_shape[:-1], width)
        self.entry = keras.layers.Dense(width, name="entry", dtype=dtype)
        self.entry.build(embedded_shape)
        self.blocks = [
            TransformerBlock(self.num_heads, name=f"block_{i}", dtype=dtype) for i in range(self.num_layers)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=dtype)
        self.projection = keras.layers.Dense(self.units, name="projection", dtype=dtype)
        for layer in (*self.blocks, self.norm, self.projection):
            layer.build(shape)

    def encode(self, embedded, mask, training):
        tokens = self.entry(embedded)
        width = tokens.shape[-1]
        tokens = width**0.5 * tokens + ops.cast(positions(ops.shape(tokens)[1], width), tokens.dtype)
        for block in self.blocks:
            tokens = block(tokens, attended=mask)
        tokens = self.norm(tokens)
        words = ops.sum(ops.cast(mask, tokens.dtype), axis=1, keepdims=True)
        mean = masked_sum(tokens, mask) / ops.maximum(words, 1.0)
        return self.projection(tokens), self.projection(mean)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
        }


def positions(length, width):
    """Sinusoidal position embeddings, float32 `(length, width)`.

    p_l = [sin(l ω_0), …, cos(l ω_0), …],  ω_i = 10000^(-2i / width)
    """
    half = (width + 1) // 2
    rates = ops.power(10000.0, -2.0 * ops.arange(half, dtype="float32") / width)
    angles = ops.arange(length, dtype="float32")[:, None] * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[:, :width]
