"""Softmax and mean over the positions that a mask selects."""

from keras import ops

# Stands for minus infinity: with a real infinity, a row that is masked everywhere and its gradient would be NaN.
MASKED_LOGIT = -1e9


def masked_softmax(scores, mask=None):
    """Softmax over the last axis, restricted to the positions where `mask` is True and computed in float32.

    Args:
        scores: float `(..., L)`.
        mask: Optional bool, broadcastable to `scores`. `None` selects every position.

    Returns:
        float `(..., L)`, with the dtype of `scores`.

    Example:

    ```python
    masked_softmax(keras.ops.array([[1.0, 1.0, 9.0]]), keras.ops.array([[True, True, False]]))  # [[0.5, 0.5, 0.0]]
    ```
    """
    if scores.shape[-1] == 1:
        # Always 1, whatever the mask; Keras warns of such a softmax.
        return ops.ones_like(scores)
    logits = ops.cast(scores, "float32")
    if mask is not None:
        logits = logits + ops.where(mask, 0.0, MASKED_LOGIT)
    return ops.cast(ops.softmax(logits, axis=-1), scores.dtype)


def masked_mean(values, mask, axis=None):
    """Mean of the values where `mask` is True; 0 where it is True nowhere.

    Args:
        values: float: any shape, or token sequences `(B, L, d)` with `axis=1`.
        mask: bool: the shape of `values`, or `(B, L)` with `axis=1`.
        axis: `None` averages over all positions, 1 over the tokens of each row.

    Returns:
        float: a scalar, or `(B, d)` with `axis=1`.

    Example:

    ```python
    masked_mean(keras.ops.array([1.0, 3.0, 9.0]), keras.ops.array([True, True, False]))  # 2.0
    ```
    """
    weights = ops.cast(mask, "float32")
    weights = weights / ops.maximum(ops.sum(weights, axis=axis, keepdims=axis is not None), 1.0)
    weights = ops.cast(weights, values.dtype)
    return ops.sum(values * weights) if axis is None else ops.einsum("bl,bld->bd", weights, values)
