"""Matrices of which the answer is known."""

import numpy as np


def low_rank(n=60, m=40, k=4, known=0.5, noise=0.0, seed=0):
    """`(matrix, mask)`: a matrix of rank k with offsets, and which of its entries are known."""
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((n, k)) @ random.standard_normal((k, m))
    matrix += 3 + random.standard_normal((n, 1)) + random.standard_normal(m)
    return matrix + noise * random.standard_normal((n, m)), random.random((n, m)) < known


def hidden(matrix, mask):
    """The matrix with NaN for what is not known."""
    return np.where(mask, matrix, np.nan)


def views(n, noise=3.0, own=(5.0, 10.0), seed=0):
    """Two views that share 8 factors, with 6 more of each view's own: by default most of its variance."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((n, 8))
    made = {}
    for name, width, strength in (("text", 60, own[0]), ("image", 80, own[1])):
        private = strength * random.standard_normal((n, 6)) @ random.standard_normal((6, width))
        seen = shared @ random.standard_normal((8, width)) + private
        made[name] = seen + noise * random.standard_normal((n, width))
    return made


def without_some(views, share=0.6, seed=1):
    """The views of which a share of the rows lack one."""
    random = np.random.default_rng(seed)
    n = len(next(iter(views.values())))
    lacking, which = random.random(n) < share, random.integers(len(views), size=n)
    return {
        name: np.where((lacking & (which == i))[:, None], np.nan, matrix)
        for i, (name, matrix) in enumerate(views.items())
    }
