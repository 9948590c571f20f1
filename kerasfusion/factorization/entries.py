"""Known entries of a matrix. A listed 0 is a known entry; unlisted entries are unknown."""

import dataclasses

import numpy as np
from scipy import sparse


@dataclasses.dataclass(frozen=True)
class Entries:
    """Known entries, sorted by row.

    Args:
        starts: int `(n,)`, index of each row's first entry.
        counts: int `(n,)`, number of entries per row.
        columns: int32 `(entries,)`.
        values: float `(entries,)`.
        weights: float `(entries,)`; `None` if all entries have weight 1.
        shape: tuple `(n, m)`.
    """

    starts: np.ndarray
    counts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None
    shape: tuple[int, int]

    @classmethod
    def sort(cls, rows, columns, values, weights, shape):
        """Sort entries by row. No two of them may have the same row and column."""
        # Sort indices, not values: SciPy may drop a stored 0, which is a known entry here.
        places = np.arange(len(values), dtype=np.int32 if len(values) < 2**31 else np.int64)
        matrix = sparse.coo_array((places, (rows, columns)), shape=shape)
        # There are no duplicates to sum; without this, SciPy sorts each row to find that out.
        matrix.has_canonical_format = True
        matrix = matrix.tocsr()
        return cls(
            matrix.indptr[:-1],
            np.diff(matrix.indptr),
            matrix.indices.astype(np.int32, copy=False),
            values[matrix.data],
            None if weights is None else weights[matrix.data],
            shape,
        )

    @property
    def rows(self):
        """Row indices, int32 `(entries,)`."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), self.counts)

    def transpose(self):
        """The entries of the transposed matrix, sorted by its rows."""
        return Entries.sort(self.columns, self.rows, self.values, self.weights, self.shape[::-1])

    def beside(self, other):
        """The entries of the concatenation `[self | other]` of two matrices with the same rows."""
        n, m = self.shape
        weights = [
            np.ones(len(part.values), part.values.dtype) if part.weights is None else part.weights
            for part in (self, other)
        ]
        return Entries.sort(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.columns, other.columns + np.int32(m)]),
            np.concatenate([self.values, other.values]),
            np.concatenate(weights),
            (n, m + other.shape[1]),
        )
