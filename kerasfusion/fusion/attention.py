"""What the token fusions share: the transformer block, and softmax and mean over the places that count."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class TransformerBlock(keras.layers.Layer):
    """`x' = x + MHA(LN(x), c, c)`, `x'' = x' + FFN(LN(x'))`: tokens attend to a context or to one another.

    `c` is `LN(context)`, or `LN(x)` where there is none. The normalisation stands before each part and not, as in
    the first transformers, behind it: such blocks learn without a warm-up. `FFN` is two dense layers with a gelu
    between, four times as wide inside. The attention has no biases (that of the keys could never learn).

    Args:
        heads: Number of attention heads; the tokens' width must be divisible by it.

    Call arguments:
        tokens: float `(B, T, d)`.
        context: Optional float `(B, S, e)`.
        attended: Optional bool `(B, S)`, which places are attended to; True once a row at least.

    Returns:
        float `(B, T, d)`.

    Example:

    ```python
    words, cells = keras.random.normal((2, 5, 8)), keras.random.normal((2, 9, 16))
    words = TransformerBlock(heads=4)(words, cells)  # (2, 5, 8)
    ```
    """

    def __init__(self, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, tokens_shape, context_shape=None):
        width, dtype = tokens_shape[-1], self.dtype_policy
        if width % self.heads:
            raise ValueError(f"{self.name}: a width of {width} cannot be shared out among {self.heads} heads.")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=dtype)
        self.norm.build(tokens_shape)
        if context_shape is not None:
            self.context_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="context_norm", dtype=dtype)
            self.context_norm.build(context_shape)
        self.attention = keras.layers.MultiHeadAttention(
            self.heads, width // self.heads, use_bias=False, name="attention", dtype=dtype
        )
        self.attention.build(tokens_shape, context_shape or tokens_shape)
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="feed_forward_norm", dtype=dtype)
        self.feed_forward_norm.build(tokens_shape)
        self.expand = keras.layers.Dense(4 * width, activation="gelu", name="expand", dtype=dtype)
        self.expand.build(tokens_shape)
        self.contract = keras.layers.Dense(width, name="contract", dtype=dtype)
        self.contract.build((*tokens_shape[:-1], 4 * width))

    def call(self, tokens, context=None, attended=None):
        normal = self.norm(tokens)
        seen = normal if context is None else self.context_norm(context)
        attended = None if attended is None else attended[:, None, :]
        tokens = tokens + self.attention(normal, seen, attention_mask=attended)
        return tokens + self.contract(self.expand(self.feed_forward_norm(tokens)))

    def get_config(self):
        return {**super().get_config(), "heads": self.heads}


def masked_softmax(scores, mask):
    """Softmax over the places that count, computed in float32: float, bool `(B, L)` -> float `(B, L)`."""
    # -1e9 and no infinity: a row without a place would then be NaN, and so would its gradient.
    scores_there = ops.where(mask, ops.cast(scores, "float32"), -1e9)
    return ops.cast(ops.softmax(scores_there, axis=-1), scores.dtype)


def masked_mean(tokens, mask):
    """Mean of the tokens that count: float `(B, L, d)`, bool `(B, L)` -> float `(B, d)`."""
    weights = ops.cast(mask, "float32")
    weights = weights / ops.sum(weights, axis=1, keepdims=True)
    return ops.einsum("bl,bld->bd", ops.cast(weights, tokens.dtype), tokens)
