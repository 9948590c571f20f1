import keras
import numpy as np

from kerasfusion.keras_compat import adding_sublayers
from kerasfusion.layers.adapter import Adapter
from kerasfusion.layers.attention import multi_head_attention


@keras.saving.register_keras_serializable("kerasfusion")
class TransformerBlock(keras.layers.Layer):
    """Pre-norm transformer block: self-attention or attention to a context, then a feed-forward network.

        x' = x + MHA(LN(x), c, c),   x'' = x' + FFN(LN(x')),   c = LN(context), or LN(x) without a context

    Unlike in arXiv 1706.03762, the normalization precedes each sublayer, so no learning rate warmup is needed. `FFN`
    is two dense layers with a GELU in between and a hidden width of `4 d`. The attention has no biases (a bias of the
    keys has no effect).

    Args:
        num_heads: int, number of attention heads; must divide the tokens' width.

    Call arguments:
        tokens: float `(B, T, d)`.
        context: Optional float `(B, S, e)`.
        attended: Optional bool `(B, S)`, the positions to attend to, at least one per row.

    Returns:
        float `(B, T, d)`.

    Raises:
        ValueError: at build time, if `num_heads` does not divide the tokens' width.

    Example:

    ```python
    text, image = keras.random.normal((2, 5, 8)), keras.random.normal((2, 9, 16))
    text = TransformerBlock(num_heads=4)(text, image)  # (2, 5, 8)
    ```
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.attention_bottleneck = self.feed_forward_bottleneck = None

    def build(self, tokens_shape, context_shape=None):
        width, dtype = tokens_shape[-1], self.dtype_policy
        if width % self.num_heads:
            raise ValueError(f"{self.name}: a width of {width} cannot be shared out among {self.num_heads} heads.")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=dtype)
        self.norm.build(tokens_shape)
        if context_shape is not None:
            self.context_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="context_norm", dtype=dtype)
            self.context_norm.build(context_shape)
        self.attention = keras.layers.MultiHeadAttention(
            self.num_heads, width // self.num_heads, use_bias=False, name="attention", dtype=dtype
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
        found = multi_head_attention(self.attention, normal, seen, attended)
        if self.attention_bottleneck is not None:
            found = self.attention_bottleneck(found)
        tokens = tokens + found
        found = self.contract(self.expand(self.feed_forward_norm(tokens)))
        if self.feed_forward_bottleneck is not None:
            found = self.feed_forward_bottleneck(found)
        return tokens + found

    def add_bottlenecks(self, units):
        """Add an `Adapter` after each of a built block's two sublayers; until trained, it has no effect."""
        width = self.contract.units
        with adding_sublayers(self):
            for name in ("attention_bottleneck", "feed_forward_bottleneck"):
                setattr(self, name, Adapter(units, name=name, dtype=self.dtype_policy))
                getattr(self, name).build((None, None, width))

    # Blocks are made by encoders and fusions whose settings know nothing of bottlenecks: the weights' file does.

    def save_own_variables(self, store):
        if self.attention_bottleneck is not None:
            store["bottlenecks"] = np.int32(self.attention_bottleneck.units)

    def load_own_variables(self, store):
        if "bottlenecks" in store and self.attention_bottleneck is None:
            self.add_bottlenecks(int(np.array(store["bottlenecks"])))

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads}
