from keras import ops


def gaussian_kl(mean, log_variance):
    """KL divergence of diagonal normal distributions from the standard normal, in nats (arXiv 1312.6114, appendix B).

        KL = ½ Σ_j (μ_j² + σ_j² − log σ_j² − 1)

    Args:
        mean: float `(B, d)`.
        log_variance: float `(B, d)`.

    Returns:
        float `(B,)`.

    Example:

    >>> gaussian_kl(keras.ops.ones((1, 3)), keras.ops.zeros((1, 3)))  # ½ per component
    [1.5]
    """
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0, axis=-1)
