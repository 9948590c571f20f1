"""Group rows of a sparse matrix into padded arrays, so that small regressions run as a few array operations."""

import dataclasses

import numpy as np

# Most numbers that a bucket gathers: few enough to stay in the CPU cache between two passes.
MAX_BUCKET_SIZE = 1_000_000
# The longest row of a bucket has at most MAX_RATIO times as many entries as the shortest, or at most SHORT_ROW
# entries.
MAX_RATIO = 1.2
SHORT_ROW = 8


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Rows with about the same number of entries, padded to length `L`.

    Args:
        rows: int `(b,)`, row indices in the matrix.
        columns: int32 `(b, L)`, column indices. Padding is the number of columns: the index of the zero row at the
            end of the factors.
        values: float `(b, L)`, 0 where padded.
        weights: float `(b, L)`, 0 where padded; `None` if all entries have weight 1.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None


def plan(entries, width):
    """Group rows with similar numbers of entries into buckets. Rows without entries are left out.

    Args:
        entries: `Entries`, sorted by row.
        width: int, number of unknowns per row.

    Returns:
        List of `Bucket` that gather at most `MAX_BUCKET_SIZE` numbers each; a single row may exceed it.
    """
    degrees = entries.counts
    order = np.argsort(degrees, kind="stable")
    order = order[np.searchsorted(degrees[order], 1) :]
    lengths = degrees[order]
    buckets, first = [], 0
    while first < len(order):
        similar = np.searchsorted(lengths, max(SHORT_ROW, int(lengths[first] * MAX_RATIO)), side="right")
        last = min(similar, first + rows_within(lengths[first], width))
        # Rows are sorted by length: the last one is the longest.
        last = min(last, first + rows_within(lengths[last - 1], width))
        buckets.append(pad(entries, order[first:last], int(lengths[last - 1])))
        first = last
    return buckets


def rows_within(length, width):
    """Number of rows of this length that fit into a bucket."""
    return max(1, MAX_BUCKET_SIZE // (max(int(length), width) * width))


def pad(entries, rows, length):
    """Pad rows to `length` and return them as a `Bucket`."""
    places = entries.starts[rows][:, None] + np.arange(length)
    real = np.arange(length) < entries.counts[rows][:, None]
    places[~real] = 0
    columns = entries.columns[places]
    columns[~real] = entries.shape[1]
    zero = entries.values.dtype.type(0)
    weights = None if entries.weights is None else np.where(real, entries.weights[places], zero)
    return Bucket(rows, columns, np.where(real, entries.values[places], zero), weights)
