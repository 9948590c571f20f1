"""Regularized whitening of a view."""

import numpy as np
from scipy import linalg, sparse


class Whitening:
    """Whiten a view: `(x - mean) (C + r I)^(-1/2)` with covariance `C` and `r = ridge · trace(C) / F`.

    Factorizing raw views explains the directions of largest variance, which may belong to a single view. Factorizing
    whitened views explains what they share.

    Args:
        matrix: Dense float `(n, F)` without missing entries.
        ridge: float above 0, relative to the mean variance. Larger values whiten less.
        name: Name of the view, for error messages.
    """

    def __init__(self, matrix, ridge, name):
        self.name = name
        self.check(matrix)
        if len(matrix) < 2:
            raise ValueError(f"View {name!r} is present in {len(matrix)} row(s), too few for whitening.")
        self.mean = matrix.mean(axis=0)
        centered = matrix - self.mean
        variances, self.directions = linalg.eigh(centered.T @ centered / len(matrix))
        variances = np.maximum(variances, 0)
        if not variances.any():
            raise ValueError(f"View {name!r} is constant and cannot be whitened.")
        self.scales = np.sqrt(variances + ridge * variances.mean())

    def check(self, matrix):
        """Raise if a view is sparse or has missing entries."""
        if sparse.issparse(matrix) or np.isnan(matrix).any():
            raise ValueError(
                f"View {self.name!r} is sparse or has single missing entries and cannot be whitened. Reduce it "
                "first, for example with sklearn.decomposition.TruncatedSVD, or impute missing entries."
            )

    def whiten(self, matrix, present):
        """Whiten a view. Missing rows stay NaN."""
        self.check(matrix[present])
        return ((matrix - self.mean) @ self.directions / self.scales) @ self.directions.T

    def undo(self, matrix):
        """Map whitened values back to the units of the view."""
        return (matrix @ self.directions * self.scales) @ self.directions.T + self.mean
