"""Whitening with a ridge: every direction of a view gets about the same variance."""

import numpy as np
from scipy import linalg, sparse


class Whitening:
    """`(x - mean) (C + r I)^(-1/2)`, with `C` the covariance of a view and `r = ridge · trace(C) / F`.

    A factorization of raw views explains the directions of most variance, which may be a view's own; whitened, it
    explains what the views have in common.

    Args:
        matrix: Dense float `(n, F)`, rows without missing entries.
        ridge: Above 0, relative to the mean variance; the larger, the less is whitened.
        name: Of the view, for messages.
    """

    def __init__(self, matrix, ridge, name):
        self.name = name
        self.check(matrix)
        if len(matrix) < 2:
            raise ValueError(f"view {name!r} is there in {len(matrix)} row(s): too few to whiten it.")
        self.mean = matrix.mean(axis=0)
        centered = matrix - self.mean
        variances, self.directions = linalg.eigh(centered.T @ centered / len(matrix))
        variances = np.maximum(variances, 0)
        if not variances.any():
            raise ValueError(f"view {name!r} is the same in all rows: it cannot be whitened.")
        self.scales = np.sqrt(variances + ridge * variances.mean())

    def check(self, matrix):
        if sparse.issparse(matrix) or np.isnan(matrix).any():
            raise ValueError(
                f"view {self.name!r} is sparse or has single missing entries: it cannot be whitened. Reduce it "
                "first, for example with sklearn.decomposition.TruncatedSVD, or impute it."
            )

    def whiten(self, matrix, present):
        """The view whitened; rows that lack it stay NaN."""
        self.check(matrix[present])
        return ((matrix - self.mean) @ self.directions / self.scales) @ self.directions.T

    def undo(self, matrix):
        """Back from whitened to the view's own units."""
        return (matrix @ self.directions * self.scales) @ self.directions.T + self.mean
