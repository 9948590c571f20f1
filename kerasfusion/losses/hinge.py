"""Hinge losses of generative adversarial networks (arXiv 1705.02894)."""

from keras import ops


def discriminator_hinge(real, fake):
    """Hinge loss of the discriminator: real images should score above 1, generated ones below −1.

        mean(max(0, 1 − D(x))) + mean(max(0, 1 + D(G(z))))

    Args:
        real: float `(B, 1)`, scores of real images.
        fake: float `(B, 1)`, scores of generated images.

    Returns:
        float scalar: 0 if all images are separated by the margin, 2 if every score is 0.

    Example:

    >>> discriminator_hinge(keras.ops.array([[0.5]]), keras.ops.array([[-2.0]]))
    0.5
    """
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def generator_hinge(fake):
    """Loss of the generator: `−mean(D(G(z)))`.

    It has no hinge, so its gradient does not vanish when the discriminator wins.

    Args:
        fake: float `(B, 1)`, the discriminator's scores of generated images.

    Returns:
        float scalar.

    Example:

    >>> generator_hinge(keras.ops.array([[-2.0], [1.0]]))
    0.5
    """
    return -ops.mean(fake)
