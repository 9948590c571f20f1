from keras import ops


def signed_root_norm(x):
    """Signed square root and L2 normalization: `s / |s|` with `s = sign(x) √|x|`.

    Reduces the heavy tails of products of features. Below 1e-6, root and norm are continued linearly, so the gradient
    at 0 stays finite (at most 1000). Computed in float32.

    Args:
        x: float `(…, d)`.

    Returns:
        float `(…, d)`, with the dtype of `x`.

    Example:

    >>> signed_root_norm(keras.ops.array([[4.0, -9.0]]))  # [2, -3] / √13
    [[ 0.5547002 -0.8320503]]
    """
    wide = ops.cast(x, "float32")
    rooted = wide * ops.rsqrt(ops.maximum(ops.abs(wide), 1e-6))
    normed = rooted * ops.rsqrt(ops.maximum(ops.sum(ops.square(rooted), axis=-1, keepdims=True), 1e-6))
    return ops.cast(normed, x.dtype)
