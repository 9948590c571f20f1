"""The known entries of a matrix. An entry of value 0 is one that is known; what is not listed is not known."""

import dataclasses

import numpy as np
from scipy import sparse


@dataclasses.dataclass(frozen=True)
class Entries:
    """Known entries, sorted by row.

    Args:
        starts: int `(n,)`, the place of every row's first entry.
        counts: int `(n,)`, every row's number of entries.
        columns: int32 `(entries,)`.
        values: float `(entries,)`.
        weights: float `(entries,)`, or None where every entry weighs 1.
        shape: `(n, m)`.
    """

    starts: np.ndarray
    counts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None
    shape: tuple[int, int]

    @classmethod
    def sort(cls, rows, columns, values, weights, shape):
        """Sort entries, of which no two share row and column."""
        # The data are places, so that nothing is lost: a 0 among the values is an entry like any other.
        places = np.arange(len(values), dtype=np.int32 if len(values) < 2**31 else np.int64)
        matrix = sparse.coo_array((places, (rows, columns)), shape=shape)
        # As none share a place, there is nothing to add up; without this, SciPy would sort each row to find out.
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
        """int32 `(entries,)`."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), self.counts)

    def transpose(self):
        """The same entries sorted by column, as rows."""
        return Entries.sort(self.columns, self.rows, self.values, self.weights, self.shape[::-1])

    def beside(self, other):
        """The entries of `[self | other]`, two matrices with the same rows."""
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
