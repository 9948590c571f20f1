import keras
import numpy as np

from kerasfusion.keras_compat import adding_sublayers
from kerasfusion.layers.adapter import Adapter
from kerasfusion.layers.attention import multi_head_attention


@keras.saving.register_keras_serializable("kerasfusion")
class TransformerBlock(keras.layers.Layer):
    """`x' = x + MHA(LN(x), c, c)`, `x'' = x' + FFN(LN(x'))`: tokens attend to a context or to one another.

    `c` is `LN(context)`, or `LN(x)` where there is none. The normalisation stands before each part and not, as in
    the first transformers, behind it: such blocks learn without a warm-up. `FFN` is two dense layers with a gelu
    between, four times as wide inside. The attention has no biases (that of the keys could never learn).

    Args:
        num_heads: Number of attention heads; the tokens' width must be divisible by it.

    Call arguments:
        tokens: float `(B, T, d)`.
        context: Optional float `(B, S, e)`.
        attended: Optional bool `(B, S)`, which places are attended to; True once a row at least.

    Returns:
        float `(B, T, d)`.

    Example:

    ```python
    words, cells = keras.random.normal((2, 5, 8)), keras.random.normal((2, 9, 16))
    words = TransformerBlock(num_heads=4)(words, cells)  # (2, 5, 8)
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
        """Put a `Adapter` behind each of a built block's two branches; until trained, they change nothing."""
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
