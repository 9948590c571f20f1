import keras
import numpy as np
from keras import ops

from kerasfusion.decoders.base import Decoder
from kerasfusion.layers.attention import attention, attention_weights, split_heads


class DecoderBlock(keras.layers.Layer):
    """Transformer decoder block: causal self-attention, cross-attention to the context, feed-forward network.

    x' = x + MHA(LN x, previous tokens),  x'' = x' + MHA(LN x', context),  x''' = x'' + FFN(LN x'')
    """

    def __init__(self, units, num_heads, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.num_heads = num_heads
        self.branch_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, words_shape, context_shape):
        units, dtype = self.units, self.dtype_policy

        def dense(name, width, units, activation=None, use_bias=False):
            layer = keras.layers.Dense(units, activation=activation, use_bias=use_bias, name=name, dtype=dtype)
            layer.build((None, width))
            return layer

        self.norms = []
        for name in ("words_norm", "context_norm", "feed_forward_norm"):
            norm = keras.layers.LayerNormalization(epsilon=1e-5, name=name, dtype=dtype)
            norm.build((None, units))
            self.norms.append(norm)
        # Query, key and value of the words in one product.
        self.words_in = dense("words_in", units, 3 * units)
        self.words_out = dense("words_out", units, units)
        self.context_query = dense("context_query", units, units)
        self.context_in = dense("context_in", context_shape[-1], 2 * units)
        self.context_out = dense("context_out", units, units)
        self.expand = dense("expand", units, 4 * units, "gelu", use_bias=True)
        self.contract = dense("contract", 4 * units, units, use_bias=True)

    def remember(self, sequence):
        """Compute keys and values of the context, each `(B, h, n, w)`."""
        return [split_heads(part, self.num_heads) for part in ops.split(self.context_in(sequence), 2, axis=-1)]

    def call(self, words, memory, mask, training=None):
        """Decode all positions: `(B, K, T, d)`."""
        _, texts, length, units = words.shape
        texts = texts or ops.shape(words)[1]
        parts = ops.split(self.words_in(self.norms[0](words)), 3, axis=-1)
        query, key, value = (split_heads(ops.reshape(part, (-1, length, units)), self.num_heads) for part in parts)
        own = ops.reshape(attention(query, key, value, earlier(length)), (-1, texts, length, units))
        words = words + self.branch_dropout(self.words_out(own), training=training)
        # The texts of one image ask its cells together.
        rows = ops.reshape(self.context_query(self.norms[1](words)), (-1, texts * length, units))
        seen = attention(split_heads(rows, self.num_heads), *memory, mask)
        seen = ops.reshape(seen, (-1, texts, length, units))
        words = words + self.branch_dropout(self.context_out(seen), training=training)
        return words + self.branch_dropout(self._feed_forward(words), training=training)

    def step(self, words, memory, mask, cache, place, training=None):
        """Decode one position: `(B, K, d)`, with a cache of earlier keys and values; returns the new cache too."""
        texts = ops.shape(words)[1]
        query, *new = ops.split(self.words_in(self.norms[0](words)), 3, axis=-1)
        # (B, K, T, d), written at this place.
        cache = [
            ops.slice_update(old, (0, 0, place, 0), part[:, :, None]) for old, part in zip(cache, new, strict=True)
        ]
        length = cache[0].shape[2]
        query, key, value = (
            split_heads(ops.reshape(part, (-1, size, self.units)), self.num_heads)
            for part, size in ((query, 1), (cache[0], length), (cache[1], length))
        )
        own = ops.reshape(attention(query, key, value, ops.arange(length) <= place), (-1, texts, self.units))
        words = words + self.branch_dropout(self.words_out(own), training=training)
        seen = attention(self.ask(words), *memory, mask)
        words = words + self.branch_dropout(self.context_out(seen), training=training)
        return words + self.branch_dropout(self._feed_forward(words), training=training), cache

    def ask(self, words):
        """Compute the cross-attention queries of tokens `(B, S, d)`: `(B, h, S, w)`."""
        return split_heads(self.context_query(self.norms[1](words)), self.num_heads)

    def _feed_forward(self, words):
        return self.contract(self.expand(self.norms[2](words)))


def earlier(length):
    """Causal mask, bool `(T, T)`: each position attends to itself and to those before it."""
    return np.tril(np.ones((length, length), "bool"))


@keras.saving.register_keras_serializable("kerasfusion")
class TransformerDecoder(Decoder):
    """Transformer decoder with causal self-attention and cross-attention to the context (arXiv 1706.03762).

        x' = x + MHA(LN x, previous tokens),  x'' = x' + MHA(LN x', context),  x''' = x'' + FFN(LN x'')

    The normalization precedes each sublayer. In generation, keys and values of earlier tokens are cached, so the cost
    per token does not depend on the position.

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: int, width `d` of token embeddings and output.
        dropout: float, dropout rate on the token embeddings, in every block and on the output. Defaults to 0.
        num_heads: int, number of attention heads; must divide `units`. Defaults to 4.
        num_layers: int, number of blocks. Defaults to 2.

    Call arguments:
        context, ids: See `Decoder`.

    Returns:
        float `(B, T, d)` or `(B, K, T, d)`.

    Raises:
        ValueError: if `units` is not divisible by `num_heads`.

    Example:

    ```python
    context = {
        "pooled": keras.random.normal((2, 8)),
        "sequence": keras.random.normal((2, 9, 16)),
        "mask": keras.ops.ones((2, 9), "bool"),
    }
    ids = keras.ops.array([[2, 5, 6], [2, 7, 0]])
    TransformerDecoder(vocabulary_size=1000, units=256, num_layers=3)(context, ids)  # (2, 3, 256)
    ```
    """

    def __init__(self, vocabulary_size, units, dropout=0.0, num_heads=4, num_layers=2, **kwargs):
        super().__init__(vocabulary_size, units, dropout=dropout, **kwargs)
        if units % num_heads:
            raise ValueError(f"{self.name}: a width of {units} cannot be shared out among {num_heads} heads.")
        self.num_heads = num_heads
        self.num_layers = num_layers

    def build_decoder(self, context_shape):
        self.positions = self.add_weight(
            shape=(self.length, self.units),
            initializer=keras.initializers.RandomNormal(stddev=self.units**-0.5),
            name="positions",
        )
        self.blocks = [
            DecoderBlock(self.units, self.num_heads, self.dropout, name=f"block_{i}", dtype=self.dtype_policy)
            for i in range(self.num_layers)
        ]
        for block in self.blocks:
            block.build((None, None, self.length, self.units), context_shape["sequence"])
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm", dtype=self.dtype_policy)
        self.norm.build((None, self.units))

    def remember(self, context):
        return {
            "blocks": [block.remember(context["sequence"]) for block in self.blocks],
            "mask": context["mask"][:, None, None],
        }

    def begin(self, memory, texts):
        batch = ops.shape(memory["mask"])[0]
        return [
            [ops.zeros((batch, texts, self.length, self.units), self.compute_dtype) for _ in range(2)]
            for _ in self.blocks
        ]

    def step(self, memory, state, words, place, training=None):
        words = words + ops.take(ops.cast(self.positions, words.dtype), place, axis=0)
        caches = []
        for block, own, cache in zip(self.blocks, memory["blocks"], state, strict=True):
            words, cache = block.step(words, own, memory["mask"], cache, place, training)
            caches.append(cache)
        return self.norm(words), caches

    def decode(self, context, words, training=None):
        memory = self.remember(context)
        words = words + ops.cast(self.positions[: words.shape[2]], words.dtype)
        for block, own in zip(self.blocks, memory["blocks"], strict=True):
            words = block(words, own, memory["mask"], training=training)
        return self.norm(words)

    def attention(self, context, ids):
        """Cross-attention weights in the last block, averaged over heads: float32 `(B, T, n)`."""
        memory = self.remember(context)
        words = self.embedding(ids[:, None]) + ops.cast(self.positions[: ids.shape[1]], self.compute_dtype)
        for block, own in zip(self.blocks[:-1], memory["blocks"], strict=False):
            words = block(words, own, memory["mask"])
        last, (key, _) = self.blocks[-1], memory["blocks"][-1]
        parts = ops.split(last.words_in(last.norms[0](words[:, 0])), 3, axis=-1)
        query, own_key, value = (split_heads(part, self.num_heads) for part in parts)
        words = words[:, 0] + last.words_out(attention(query, own_key, value, earlier(ids.shape[1])))
        return ops.mean(attention_weights(last.ask(words), key, memory["mask"]), axis=1)

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "num_layers": self.num_layers}
