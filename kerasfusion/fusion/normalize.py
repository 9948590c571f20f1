from keras import ops


def signed_root_norm(x):
    """`s / |s|` with `s = sign(x) √|x|`: tames the heavy tails of products, then sets the length to 1.

    Root and norm have an infinite slope at 0; below 1e-6 both go on as a straight line, so that the gradient is at
    most 1000 there. Computed in float32 at least.

    Args:
        x: float `(…, d)`.

    Returns:
        float `(…, d)`, of the dtype of `x`.
    """
    wide = ops.cast(x, "float32")
    rooted = wide * ops.rsqrt(ops.maximum(ops.abs(wide), 1e-6))
    normed = rooted * ops.rsqrt(ops.maximum(ops.sum(ops.square(rooted), axis=-1, keepdims=True), 1e-6))
    return ops.cast(normed, x.dtype)
