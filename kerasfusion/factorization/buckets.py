"""Rows of a sparse matrix in padded rectangles, so that many small regressions run as a few array operations."""

import dataclasses

import numpy as np

# What one bucket gathers at most, in numbers: small enough to stay in a processor's cache between two passes.
MOST_NUMBERS = 1_000_000
# The longest row of a bucket has at most so many times the entries of the shortest, or so few that it hardly matters.
GROWTH = 1.2
ALIKE = 8


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Rows with about the same number of entries.

    Args:
        rows: int `(b,)`, their places in the matrix.
        columns: int32 `(b, L)`; where a row has fewer than `L` entries, the number of columns: the place of a zero
            row that the table of factors ends with.
        values: float `(b, L)`, 0 where padded.
        weights: float `(b, L)`, 0 where padded, or None where every entry weighs 1.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    weights: np.ndarray | None


def plan(entries, width):
    """Sort the rows by their number of entries and cut them into buckets; rows without any are left out.

    Args:
        entries: `Entries`, sorted by row.
        width: Unknowns of one row.

    Returns:
        A list of `Bucket`, of at most `MOST_NUMBERS` gathered numbers each (a single row may have more).
    """
    degrees = entries.counts
    order = np.argsort(degrees, kind="stable")
    order = order[np.searchsorted(degrees[order], 1) :]
    lengths = degrees[order]
    buckets, first = [], 0
    while first < len(order):
        alike = np.searchsorted(lengths, max(ALIKE, int(lengths[first] * GROWTH)), side="right")
        last = min(alike, first + rows_within(lengths[first], width))
        # They are sorted: the last row is the longest.
        last = min(last, first + rows_within(lengths[last - 1], width))
        buckets.append(pad(entries, order[first:last], int(lengths[last - 1])))
        first = last
    return buckets


def rows_within(length, width):
    """How many rows of a length one bucket takes."""
    return max(1, MOST_NUMBERS // (max(int(length), width) * width))


def pad(entries, rows, length):
    """One bucket out of some rows."""
    places = entries.starts[rows][:, None] + np.arange(length)
    real = np.arange(length) < entries.counts[rows][:, None]
    places[~real] = 0
    columns = entries.columns[places]
    columns[~real] = entries.shape[1]
    zero = entries.values.dtype.type(0)
    weights = None if entries.weights is None else np.where(real, entries.weights[places], zero)
    return Bucket(rows, columns, np.where(real, entries.values[places], zero), weights)
