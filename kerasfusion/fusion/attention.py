"""What the token fusions share: softmax and mean over the places that count."""

from keras import ops


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
