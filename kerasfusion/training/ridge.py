"""Ridge regression in closed form, on columns of which some are sparse and some dense."""

import dataclasses

import numpy as np
from scipy import sparse
from scipy.linalg import solve


@dataclasses.dataclass(frozen=True, eq=False)
class MixedColumns:
    """The inputs of a linear model.

    Args:
        sparse: SciPy CSR matrix float32 `(n, s)`.
        dense: float32 `(n, d)`.
    """

    sparse: sparse.csr_matrix
    dense: np.ndarray

    def __len__(self):
        return len(self.dense)

    @property
    def width(self):
        return self.sparse.shape[1] + self.dense.shape[1]

    def take(self, rows):
        """The same with these rows alone."""
        return MixedColumns(self.sparse[rows], self.dense[rows])

    def scaled(self, weights):
        """The same with each row times its weight, `(n,)`."""
        return MixedColumns(sparse.diags(weights) @ self.sparse, self.dense * weights[:, None])

    def apply(self, kernel):
        """`X K`: float `(n, outputs)`, for a kernel `(width, outputs)`."""
        split = self.sparse.shape[1]
        return self.sparse @ kernel[:split] + self.dense @ kernel[split:]

    def transposed(self, values):
        """`Xᵀ V`: float `(width, outputs)`, for values `(n, outputs)`."""
        return np.concatenate([self.sparse.T @ values, self.dense.T @ values])

    def outer_gram(self):
        """`X Xᵀ`: float `(n, n)`."""
        return (self.sparse @ self.sparse.T).toarray() + self.dense @ self.dense.T

    def inner_gram(self):
        """`Xᵀ X`: float `(width, width)`."""
        cross = self.sparse.T @ self.dense
        return np.block([[(self.sparse.T @ self.sparse).toarray(), cross], [cross.T, self.dense.T @ self.dense]])


def fit_ridge(columns, targets, weights, strengths):
    """Fit a ridge regression for each strength: the kernel that minimizes `Σ w |x K + b - y|² + strength |K|²`.

    `b` is the weighted mean of the targets. Solved over rows or over columns, whichever are fewer.

    Args:
        columns: `MixedColumns` of `n` rows.
        targets: float `(n, outputs)`.
        weights: float `(n,)`, positive.
        strengths: Numbers above 0.

    Yields:
        tuple: kernel float32 `(width, outputs)` and bias float32 `(outputs,)`.
    """
    bias = np.average(targets, axis=0, weights=weights)
    root = np.sqrt(weights).astype("float32")
    scaled, wanted = columns.scaled(root), (targets - bias) * root[:, None]
    by_rows = len(columns) <= columns.width
    gram = scaled.outer_gram() if by_rows else scaled.inner_gram()
    right = wanted if by_rows else scaled.transposed(wanted)
    for strength in strengths:
        regularized = gram.astype("float64")
        regularized[np.diag_indices_from(regularized)] += strength
        solution = solve(regularized, right, assume_a="pos", overwrite_a=True)
        kernel = scaled.transposed(solution) if by_rows else solution
        yield kernel.astype("float32"), bias.astype("float32")
