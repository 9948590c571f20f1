"""What the pretrained networks are compared on: sentences, and procedural images, the same wherever they are made."""

import numpy as np

SENTENCES = (
    "a red square left of a blue circle",
    "A man is riding a horse along the beach.",
    "Crème brûlée, s'il vous plaît!",
    "无监督学习 and tokenization of untokenizable words",
    "x",
    "The quick brown fox jumps over the lazy dog. " * 20,
)


def images(size=224):
    """uint8 `(4, size, size, 3)`: waves, a disc, a chessboard, noise."""
    y, x = np.mgrid[:size, :size] / size
    waves = np.stack([np.sin(9 * x + 4 * y), np.cos(7 * y), np.sin(12 * x * y)], axis=-1) * 0.5 + 0.5
    disc = np.where(((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.09)[..., None], (0.9, 0.2, 0.1), (0.3, 0.6, 0.9))
    board = ((np.floor(x * 8) + np.floor(y * 8)) % 2)[..., None] * np.array((1.0, 0.9, 0.6))
    noise = np.random.default_rng(0).random((size, size, 3))
    return (np.stack([waves, disc, board, noise]) * 255).astype("uint8")
