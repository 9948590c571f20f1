"""Attention of several heads, on keys and values that may have been computed before."""

from keras import ops

# Stands for minus infinity in scores: a row with nothing to look at would then be NaN, and so would its gradient.
BLOCKED = -1e9


def split_heads(x, heads):
    """`(B, S, h·w)` to `(B, h, S, w)`."""
    _, length, width = x.shape
    length = ops.shape(x)[1] if length is None else length
    return ops.transpose(ops.reshape(x, (-1, length, heads, width // heads)), (0, 2, 1, 3))


def join_heads(x):
    """`(B, h, S, w)` to `(B, S, h·w)`."""
    _, heads, length, width = x.shape
    length = ops.shape(x)[2] if length is None else length
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, length, heads * width))


def attention_weights(query, key, mask):
    """`softmax(q·k / √w)` over what `mask` admits: `(B, h, T, w)`, `(B, h, S, w)` to float32 `(B, h, T, S)`."""
    scores = ops.matmul(query * query.shape[-1] ** -0.5, ops.transpose(key, (0, 1, 3, 2)))
    return ops.softmax(ops.where(mask, ops.cast(scores, "float32"), BLOCKED), axis=-1)


def attention(query, key, value, mask):
    """What each query finds: `(B, h, T, w)`, twice `(B, h, S, w)` to `(B, T, h·w)`.

    Args:
        query: float `(B, h, T, w)`.
        key: float `(B, h, S, w)`.
        value: float `(B, h, S, w)`.
        mask: bool, False where a query must not look; broadcast to `(B, h, T, S)`.
    """
    weights = ops.cast(attention_weights(query, key, mask), value.dtype)
    return join_heads(ops.matmul(weights, value))
