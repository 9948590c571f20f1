"""Read ratings into row indices, column indices and values."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
from scipy import sparse

MERGES = ("mean", "sum", "last", "error")


@dataclasses.dataclass(frozen=True)
class Triples:
    """Known entries of a matrix: row ids, column ids and values.

    Args:
        rows: Row ids `(entries,)`; row indices if the ratings are a matrix.
        columns: Column ids `(entries,)`, likewise.
        values: float `(entries,)`.
        shape: Shape of the matrix; `None` for a table.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int] | None


def read_triples(ratings, dtype, implicit=False):
    """Read and validate ratings.

    Args:
        ratings: A DataFrame with the columns row id, column id and rating, in this order (for implicit feedback the
            third is optional and defaults to 1); a SciPy sparse matrix, whose stored entries are known, including
            zeros; or a 2-D array with NaN for unknown entries. Zeros of implicit feedback are dropped after
            duplicates are merged, so that a newer 0 removes an older entry.
        dtype: Type of the values.
        implicit: Whether the values are strengths of implicit feedback, which must not be negative.

    Returns:
        `Triples`

    Raises:
        TypeError, ValueError: If the ratings are invalid. The message names the entry.
    """
    if isinstance(ratings, pd.DataFrame):
        triples = read_frame(ratings, dtype, implicit)
    elif sparse.issparse(ratings):
        if len(ratings.shape) != 2:
            raise ValueError(
                f"The sparse matrix of ratings must have two dimensions. Received: shape {ratings.shape}"
            )
        matrix = ratings.tocoo()
        triples = Triples(matrix.row, matrix.col, matrix.data.astype(dtype, copy=False), ratings.shape)
    elif isinstance(ratings, (np.ndarray, list)):
        try:
            matrix = np.asarray(ratings, dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The array of ratings must be numeric: {error}") from None
        if matrix.ndim != 2:
            raise ValueError(f"The array of ratings must have two dimensions. Received: shape {matrix.shape}")
        rows, columns = np.nonzero(~np.isnan(matrix))
        triples = Triples(rows, columns, matrix[rows, columns], matrix.shape)
    else:
        raise TypeError(
            f"Ratings must be a pandas DataFrame (row id, column id, rating), a SciPy sparse matrix or a 2-D array. "
            f"Received: {type(ratings).__name__}"
        )
    check_values(triples, implicit)
    return triples


def read_frame(frame, dtype, implicit):
    wanted = (2, 3) if implicit else (3,)
    if frame.shape[1] not in wanted:
        raise ValueError(
            f"The table of ratings must have {wanted[-1]} columns: row id, column id, rating, in this order. Select "
            f"them: frame[['user', 'item', 'rating']]. Received: columns {list(frame.columns)}"
        )
    for name in frame.columns[:2]:
        empty = frame[name].isna().to_numpy()
        if empty.any():
            raise ValueError(
                f"Column {name!r} of the ratings has missing ids in {empty.sum():,} row(s), the first at index "
                f"{frame.index[empty.argmax()]!r}. Drop them: frame.dropna()."
            )
    if frame.shape[1] == 2:
        values = np.ones(len(frame), dtype)
    else:
        name = frame.columns[2]
        numbers = pd.to_numeric(frame[name], errors="coerce")
        wrong = (numbers.isna() & frame[name].notna()).to_numpy()
        if wrong.any():
            cell = frame[name].iloc[wrong.argmax()]
            raise ValueError(
                f"Column {name!r} of the ratings, index {frame.index[wrong.argmax()]!r}: {cell!r} is not a number."
            )
        values = numbers.to_numpy(dtype)
    return Triples(frame.iloc[:, 0].to_numpy(), frame.iloc[:, 1].to_numpy(), values, None)


def check_values(triples, implicit):
    if not len(triples.values):
        raise ValueError("There are no ratings: all entries are unknown.")
    wrong = ~np.isfinite(triples.values)
    if wrong.any():
        raise ValueError(
            f"{describe_entry(triples, wrong.argmax())} is not finite ({wrong.sum():,} such entries). Leave out "
            "unknown ratings; only in a 2-D array does NaN mean unknown."
        )
    if implicit and (triples.values < 0).any():
        wrong = triples.values < 0
        raise ValueError(
            f"{describe_entry(triples, wrong.argmax())} is negative ({wrong.sum():,} such entries). Strengths of "
            "implicit feedback must be nonnegative. Use feedback='explicit' for ratings that can be negative."
        )


def describe_entry(triples, i):
    """Describe one rating for an error message."""
    row, column = (ids[i].item() if hasattr(ids[i], "item") else ids[i] for ids in (triples.rows, triples.columns))
    return f"The rating of row {row!r}, column {column!r} ({triples.values[i]:g})"


def places_of(ids, index, what, unknown="error"):
    """Look up ids in an index.

    Args:
        ids: Ids to look up.
        index: `pandas.Index` of the known ids.
        what: `"row"` or `"column"`, for error messages.
        unknown: `"error"` to raise on an unknown id, or `"average"` to return -1 for it.

    Returns:
        int `(len(ids),)`.

    Raises:
        ValueError: If an id is unknown. The message names it.
    """
    if isinstance(index, pd.RangeIndex) and isinstance(ids, np.ndarray) and ids.dtype.kind == "i":
        # The ids of a matrix are indices already, so that millions of them need no look-up.
        return checked(np.where((ids >= 0) & (ids < len(index)), ids, -1), ids, what, unknown)
    try:
        places = index.get_indexer(pd.Index(ids))
    except TypeError as error:
        raise TypeError(f"Ids of {what}s must be comparable with those in fit: {error}") from None
    return checked(places, ids, what, unknown)


def checked(places, ids, what, unknown):
    new = places < 0
    if unknown == "error" and new.any():
        first = pd.Index(ids)[[new.argmax()]].tolist()[0]
        raise ValueError(f"{new.sum():,} of {len(places):,} {what} ids were not in fit, the first {what} {first!r}.")
    return places


def grow(index, ids, size=None):
    """Append new ids to an index, in the order in which they appear.

    Args:
        index: `pandas.Index`, or `None` for an empty one.
        ids: Ids, known or new.
        size: Size of the matrix if ids are indices from 0. Defaults to `None`.

    Returns:
        `pandas.Index`
    """
    if size is not None:
        return pd.RangeIndex(size if index is None else max(size, len(index)))
    found = pd.Index(pd.unique(pd.Series(ids)))
    return found if index is None else index.append(found[~found.isin(index)])


def merge(rows, columns, values, shape, how):
    """Merge entries with the same row and column.

    Args:
        rows: int `(entries,)`, row indices.
        columns: int `(entries,)`, column indices.
        values: float `(entries,)`.
        shape: Shape of the matrix.
        how: `"mean"`, `"sum"`, `"last"`, or `"error"` to raise.

    Returns:
        tuple: `(rows, columns, values)` without duplicates, in the order of the first occurrences.

    Raises:
        ValueError: If there are duplicates and `how` is `"error"`.
    """
    # Fast path: a sparse matrix stores each pair once. (`csr_array(...)` of SciPy 1.13.0 does not sum duplicates.)
    if sparse.coo_array((np.ones(len(values), np.int8), (rows, columns)), shape=shape).tocsr().nnz == len(values):
        return rows, columns, values
    keys = rows.astype(np.int64) * shape[1] + columns
    distinct, first, group = np.unique(keys, return_index=True, return_inverse=True)
    repeated = len(keys) - len(distinct)
    if how == "error":
        counts = np.bincount(group)
        again = first[np.flatnonzero(counts > 1)].min()
        raise ValueError(
            f"{repeated:,} rating(s) are duplicates of a row and column, the first at index {rows[again]} x "
            f"{columns[again]}. Set duplicate_policy='mean', 'sum' or 'last' to merge them."
        )
    if how == "last":
        place = np.zeros(len(distinct), int)
        place[group] = np.arange(len(keys))
        merged = values[place]
    else:
        merged = np.bincount(group, values)
        merged = (merged / np.bincount(group) if how == "mean" else merged).astype(values.dtype)
    if how == "mean":
        warnings.warn(
            f"{repeated:,} rating(s) are duplicates of a row and column; the mean of each pair is used "
            "(duplicate_policy='mean').",
            stacklevel=4,
        )
    order = np.argsort(first)
    return rows[first[order]], columns[first[order]], merged[order]
