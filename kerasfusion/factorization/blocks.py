"""A matrix of features of the rows, factored by the rows' factors: side information, or one view."""

import numpy as np
from scipy import sparse

from kerasfusion.factorization.als_step import Design, Shared, half_step
from kerasfusion.factorization.buckets import plan
from kerasfusion.factorization.entries import Entries


class Block:
    """Minimizes `weight · |X - mean - factors @ loadingsᵀ|²` over the entries of `X` that are known.

    Where whole rows are known or missing, all rows that have it share one Gram matrix of the loadings; where single
    entries are missing, the known ones are listed and every row has its own.

    Args:
        matrix: `(n, F)`. Dense: NaN is missing. Sparse: see `unobserved`.
        present: bool `(n,)`, the rows that have it. The others' values are not looked at.
        weight: How much it counts.
        unobserved: "zero" or "missing": what the entries are that a sparse matrix does not store.
        mean: float `(F,)`, or None for the mean of the known entries.
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
            # The mean is not taken from the stored matrix, which would then be dense, but from its products.
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
        """How many entries of every feature are known, int `(F,)`."""
        if self.entries is not None:
            return np.bincount(self.entries.columns, minlength=self.shape[1])
        return np.full(self.shape[1], self.present.sum())

    def gram(self, loadings):
        """What every row that has the block adds to its normal matrix, `(K, K)`."""
        return self.weight * (loadings.T @ loadings)

    def products(self, loadings):
        """What the rows add to their right-hand sides, `(n, K)`."""
        product = self.matrix @ loadings
        if self.shift.any():
            product -= np.outer(self.present, self.shift @ loadings).astype(product.dtype)
        return self.weight * product

    def constants(self, axis=1):
        """float64, the weighted squares of the centered entries, by row (`axis=1`) or by feature (`axis=0`)."""
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
        """The loadings that fit the factors best, exactly.

        Args:
            factors: float `(n, K)`.
            ridge: float `(F,)`, the weight of every loading's squared norm.
            pool: Threads.

        Returns:
            `(loadings, objective)`: float `(F, K)`, and the squared errors with regularization.
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
        """The weighted squared error, without regularization."""
        if self.entries is not None:
            entries = self.entries
            fitted = np.einsum("ek,ek->e", factors[entries.rows], loadings[entries.columns])
            return self.weight * float(((entries.values - fitted).astype(np.float64) ** 2).sum())
        known = factors[self.present]
        square = np.vdot(known.T @ known, self.gram(loadings))
        return float(self.constants().sum() - 2 * np.vdot(self.products(loadings), factors) + square)


def share(blocks, loadings, dtype):
    """What the rows have in common through their complete blocks.

    Args:
        blocks: list of `Block` over the same rows, all without `entries`.
        loadings: One float `(F, K)` for each.
        dtype: Type of what comes back.

    Returns:
        `Shared`, or None without blocks.
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
    """Means of the columns, in the matrix's type; zeros without rows."""
    if not len(matrix):
        return np.zeros(matrix.shape[1], matrix.dtype)
    return matrix.mean(axis=0, dtype=np.float64).astype(matrix.dtype)


def with_zero_row(factors):
    """The factors and a last row of zeros, where the padding of a bucket points."""
    return np.concatenate([factors, np.zeros((1, factors.shape[1]), factors.dtype)])
