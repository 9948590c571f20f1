"""The two sides of a generative adversarial network, as hinges (arXiv 1705.02894)."""

from keras import ops


def discriminator_hinge(real, drawn):
    """What the discriminator loses: real images are to score above 1, drawn ones below −1.

        mean(max(0, 1 − D(x))) + mean(max(0, 1 + D(G(z))))

    Args:
        real: float `(B, 1)`, its scores of real images.
        drawn: float `(B, 1)`, its scores of drawn ones.

    Returns:
        float scalar: 0 where all are told apart, 2 where every score is 0.

    Example:

    >>> discriminator_hinge(keras.ops.array([[0.5]]), keras.ops.array([[-2.0]]))
    0.5
    """
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + drawn))


def generator_hinge(drawn):
    """What the generator loses: `−mean(D(G(z)))`. It has no hinge, so that it goes on learning when it is behind.

    Args:
        drawn: float `(B, 1)`, the discriminator's scores of what it drew.

    Returns:
        float scalar.

    Example:

    >>> generator_hinge(keras.ops.array([[-2.0], [1.0]]))
    0.5
    """
    return -ops.mean(drawn)
