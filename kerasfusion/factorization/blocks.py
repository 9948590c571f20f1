"""A feature matrix (side information or one view) factorized with the factors of its rows."""

import numpy as np
from scipy import sparse

from kerasfusion.factorization.als_step import Design, Shared, half_step
from kerasfusion.factorization.buckets import plan
from kerasfusion.factorization.entries import Entries


class Block:
    """Terms of the objective `weight · |X - mean - factors @ loadingsᵀ|²`, over the known entries of `X`.

    If only whole rows are missing, all other rows share one Gram matrix of the loadings. If single entries are
    missing, the known entries are listed and every row has a Gram matrix of its own.

    Args:
        matrix: `(n, F)`. In a dense matrix, NaN is missing; for a sparse one, see `unobserved`.
        present: bool `(n,)`, the rows that have features. Other rows are ignored.
        weight: float, weight of the block in the objective.
        unobserved: `"zero"` or `"missing"`, the meaning of entries that a sparse matrix does not store.
        mean: float `(F,)`. Defaults to `None`, the mean of the known entries.
    """

    def __init__(self, matrix, present, weight, unobserved="zero", mean=None):
        self.shape, self.present, self.weight = matrix.shape, present, weight
        self.entries = None
        if sparse.issparse(matrix):
            if unobserved == "missing":
                matrix = matrix.tocoo()
                known = present[matrix.row]
                self.list_entries(matrix.row[known], matrix.col[known], matrix.data[known], mean)
                return
            self.matrix = matrix.tocsr().multiply(present[:, None]).tocsr()
            count = max(1, present.sum())
            self.mean = np.asarray(self.matrix.sum(axis=0)).ravel() / count if mean is None else mean
            self.mean = self.mean.astype(matrix.dtype)
            # Subtracting the mean would make the matrix dense, so it is subtracted from the products instead.
            self.shift = self.mean
            return
        known = ~np.isnan(matrix) & present[:, None]
        if (known.all(axis=1) == present).all():
            self.mean = mean_of(matrix[present]) if mean is None else mean
            self.matrix = np.where(present[:, None], matrix - self.mean, matrix.dtype.type(0))
            self.shift = np.zeros_like(self.mean)
            return
        rows, columns = np.nonzero(known)
        self.list_entries(rows, columns, matrix[known], mean)

    def list_entries(self, rows, columns, values, mean):
        n, features = self.shape
        if mean is None:
            counts = np.bincount(columns, minlength=features)
            mean = np.bincount(columns, values, minlength=features) / np.maximum(counts, 1)
        self.matrix, self.mean, self.shift = None, mean.astype(values.dtype), None
        weights = np.full(len(values), self.weight, values.dtype)
        self.entries = Entries.sort(rows, columns, values - self.mean[columns], weights, (n, features))
        self._buckets = None

    @property
    def counts(self):
        """Number of known entries per feature, int `(F,)`."""
        if self.entries is not None:
            return np.bincount(self.entries.columns, minlength=self.shape[1])
        return np.full(self.shape[1], self.present.sum())

    def gram(self, loadings):
        """The Gram matrix of the loadings, `(K, K)`: the block's term in the normal equations of its rows."""
        return self.weight * (loadings.T @ loadings)

    def products(self, loadings):
        """The block's term in the right-hand sides of the rows, `(n, K)`."""
        product = self.matrix @ loadings
        if self.shift.any():
            product -= np.outer(self.present, self.shift @ loadings).astype(product.dtype)
        return self.weight * product

    def constants(self, axis=1):
        """Weighted sums of squares of the centered entries per row (`axis=1`) or per feature (`axis=0`), float64."""
        if self.entries is not None:
            values = self.entries.values.astype(np.float64) ** 2 * self.weight
            place = self.entries.rows if axis == 1 else self.entries.columns
            return np.bincount(place, values, minlength=self.shape[1 - axis])
        shift = self.shift.astype(np.float64)
        if sparse.issparse(self.matrix):
            matrix = self.matrix.astype(np.float64)
            squares = np.asarray(matrix.multiply(matrix).sum(axis=axis)).ravel()
            if axis == 1:
                return self.weight * (squares - 2 * (matrix @ shift) + self.present * (shift @ shift))
            crossed = np.asarray(matrix.sum(axis=0)).ravel() * shift
            return self.weight * (squares - 2 * crossed + self.present.sum() * shift**2)
        return self.weight * np.square(self.matrix, dtype=np.float64).sum(axis=axis)

    def update_loadings(self, factors, ridge, pool):
        """Solve for the loadings given the factors, exactly.

        Args:
            factors: float `(n, K)`.
            ridge: float `(F,)`, regularization of each loading's squared norm.
            pool: Thread pool, from `workers`.

        Returns:
            tuple: loadings, float `(F, K)`, and the objective: squared errors plus regularization.
        """
        start = np.zeros((self.shape[1], factors.shape[1]), factors.dtype)
        if self.entries is not None:
            if self._buckets is None:
                self._buckets = plan(self.entries.transpose(), factors.shape[1])
            return half_step(self._buckets, Design(with_zero_row(factors)), None, ridge, start, "cholesky", pool)
        factors = factors * self.present[:, None]
        products = self.matrix.T @ factors
        if self.shift.any():
            products -= np.outer(self.shift, factors.sum(axis=0))
        kind = np.zeros(self.shape[1], int)
        gram = self.weight * (factors.T @ factors)
        shared = Shared(gram[None], kind, self.weight * products, self.constants(axis=0))
        return half_step([], None, shared, ridge, start, "cholesky", pool)

    def loss(self, factors, loadings):
        """The weighted squared error without regularization."""
        if self.entries is not None:
            entries = self.entries
            fitted = np.einsum("ek,ek->e", factors[entries.rows], loadings[entries.columns])
            return self.weight * float(((entries.values - fitted).astype(np.float64) ** 2).sum())
        known = factors[self.present]
        square = np.vdot(known.T @ known, self.gram(loadings))
        return float(self.constants().sum() - 2 * np.vdot(self.products(loadings), factors) + square)


def share(blocks, loadings, dtype):
    """The `Shared` terms of the rows from blocks in which only whole rows are missing.

    Args:
        blocks: List of `Block` over the same rows, all without `entries`.
        loadings: List of float `(F, K)`, one per block.
        dtype: Type of the result.

    Returns:
        `Shared`, or `None` without blocks.
    """
    if not blocks:
        return None
    present = np.stack([block.present for block in blocks], axis=1)
    kinds, kind = np.unique(present, axis=0, return_inverse=True)
    grams = [block.gram(part) for block, part in zip(blocks, loadings, strict=True)]
    matrices = np.stack([sum(gram * has for gram, has in zip(grams, row, strict=True)) for row in kinds])
    products = sum(block.products(part) for block, part in zip(blocks, loadings, strict=True))
    constants = sum(block.constants() for block in blocks)
    return Shared(matrices.astype(dtype), kind.ravel(), products.astype(dtype), constants)


def mean_of(matrix):
    """Column means in the type of the matrix; zeros if it has no rows."""
    if not len(matrix):
        return np.zeros(matrix.shape[1], matrix.dtype)
    return matrix.mean(axis=0, dtype=np.float64).astype(matrix.dtype)


def with_zero_row(factors):
    """Append a row of zeros to the factors, the target of padded entries."""
    return np.concatenate([factors, np.zeros((1, factors.shape[1]), factors.dtype)])
