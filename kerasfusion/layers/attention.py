"""Scaled dot-product attention with several heads, also on keys and values that were computed earlier."""

from keras import ops

from kerasfusion.masking import masked_softmax


def split_heads(x, num_heads):
    """Split the last axis into heads: `(B, S, h·w)` to `(B, h, S, w)`."""
    _, length, width = x.shape
    length = ops.shape(x)[1] if length is None else length
    return ops.transpose(ops.reshape(x, (-1, length, num_heads, width // num_heads)), (0, 2, 1, 3))


def merge_heads(x):
    """Merge the heads into the last axis: `(B, h, S, w)` to `(B, S, h·w)`."""
    _, heads, length, width = x.shape
    length = ops.shape(x)[2] if length is None else length
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, length, heads * width))


def attention_weights(query, key, mask=None):
    """Attention weights `softmax(q·k / √w)` in float32 (arXiv 1706.03762).

    Args:
        query: float `(B, h, T, w)`.
        key: float `(B, h, S, w)`.
        mask: Optional bool, broadcastable to `(B, h, T, S)`: True where a query may attend.

    Returns:
        float32 `(B, h, T, S)`, rows sum to 1.
    """
    scores = ops.matmul(query * query.shape[-1] ** -0.5, ops.transpose(key, (0, 1, 3, 2)))
    return masked_softmax(ops.cast(scores, "float32"), mask)


def attention(query, key, value, mask=None):
    """Scaled dot-product attention `softmax(q·k / √w) v` of several heads (arXiv 1706.03762).

    Args:
        query: float `(B, h, T, w)`.
        key: float `(B, h, S, w)`.
        value: float `(B, h, S, w)`.
        mask: Optional bool, broadcastable to `(B, h, T, S)`: True where a query may attend.

    Returns:
        float `(B, T, h·w)`.
    """
    weights = ops.cast(attention_weights(query, key, mask), value.dtype)
    return merge_heads(ops.matmul(weights, value))


def multi_head_attention(layer, queries, context, mask=None):
    """Evaluate a `keras.layers.MultiHeadAttention` that has neither biases nor dropout, with the layer's weights.

    On a CPU, the layer's own `call` spends much of its time on masks as large as the scores and on products of
    tensors with more than two dimensions.

    Args:
        layer: A built `keras.layers.MultiHeadAttention`.
        queries: float `(B, T, d)`.
        context: float `(B, S, e)`, from which keys and values are computed.
        mask: Optional bool `(B, S)`: True at the positions to attend to, at least one per row.

    Returns:
        float `(B, T, d)`.
    """
    heads, width = layer.num_heads, layer.key_dim

    def project(dense, x):
        flat = ops.matmul(x, ops.reshape(dense.kernel, (-1, heads * width)))
        return ops.transpose(ops.reshape(flat, (-1, ops.shape(x)[1], heads, width)), (0, 2, 1, 3))

    query = project(layer.query_dense, queries)
    key, value = project(layer.key_dense, context), project(layer.value_dense, context)
    found = attention(query, key, value, None if mask is None else mask[:, None, None, :])
    return ops.matmul(found, ops.reshape(layer.output_dense.kernel, (heads * width, -1)))
