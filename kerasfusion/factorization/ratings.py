"""Ratings as a person has them -> places, values and ids."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
from scipy import sparse

MERGES = ("mean", "sum", "last", "error")


@dataclasses.dataclass(frozen=True)
class Triples:
    """Known entries of a matrix by their ids.

    Args:
        rows: Its row's id, one per entry; of a matrix, its place.
        columns: Its column's, likewise.
        values: float `(entries,)`.
        shape: The matrix's shape, or None for a table.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int] | None


def read_triples(ratings, dtype, implicit=False):
    """Ratings as triples, checked.

    Args:
        ratings: A pandas DataFrame whose three columns are row id, column id and rating, in this order (for implicit
            feedback the third may be left out: every row then counts 1); a SciPy sparse matrix, whose stored entries
            are the known ones, also those of value 0; or a 2-D array, in which NaN is unknown. (A 0 of implicit
            feedback is dropped later, after repeated pairs are merged: as a newer rating it clears an older one.)
        dtype: Type of the values.
        implicit: Whether the values are strengths of implicit feedback, which cannot be negative.

    Raises:
        TypeError, ValueError: What is wrong and where.
    """
    if isinstance(ratings, pd.DataFrame):
        triples = read_frame(ratings, dtype, implicit)
    elif sparse.issparse(ratings):
        if len(ratings.shape) != 2:
            raise ValueError(f"the sparse matrix of ratings has shape {ratings.shape}; it must have two dimensions.")
        matrix = ratings.tocoo()
        triples = Triples(matrix.row, matrix.col, matrix.data.astype(dtype, copy=False), ratings.shape)
    elif isinstance(ratings, (np.ndarray, list)):
        try:
            matrix = np.asarray(ratings, dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the array of ratings does not hold numbers alone: {error}") from None
        if matrix.ndim != 2:
            raise ValueError(f"the array of ratings has shape {matrix.shape}; it must have two dimensions.")
        rows, columns = np.nonzero(~np.isnan(matrix))
        triples = Triples(rows, columns, matrix[rows, columns], matrix.shape)
    else:
        raise TypeError(
            f"ratings are a pandas DataFrame (row id, column id, rating), a SciPy sparse matrix or a 2-D array; "
            f"got {type(ratings).__name__}."
        )
    check_values(triples, implicit)
    return triples


def read_frame(frame, dtype, implicit):
    wanted = (2, 3) if implicit else (3,)
    if frame.shape[1] not in wanted:
        raise ValueError(
            f"the table of ratings has the columns {list(frame.columns)}; it must have {wanted[-1]}: row id, column "
            "id, rating, in this order. Select them: frame[['user', 'item', 'rating']]."
        )
    for name in frame.columns[:2]:
        empty = frame[name].isna().to_numpy()
        if empty.any():
            raise ValueError(
                f"column {name!r} of the ratings, index {frame.index[empty.argmax()]!r}: the id is missing, in "
                f"{empty.sum():,} row(s). Drop them: frame.dropna()."
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
                f"column {name!r} of the ratings, index {frame.index[wrong.argmax()]!r}: {cell!r} is not a number."
            )
        values = numbers.to_numpy(dtype)
    return Triples(frame.iloc[:, 0].to_numpy(), frame.iloc[:, 1].to_numpy(), values, None)


def check_values(triples, implicit):
    if not len(triples.values):
        raise ValueError("there are no ratings: not one entry is known.")
    wrong = ~np.isfinite(triples.values)
    if wrong.any():
        raise ValueError(
            f"{entry(triples, wrong.argmax())} is no finite number, as are {wrong.sum():,} in all. Leave unknown "
            "ratings out; only in a 2-D array does NaN stand for one."
        )
    if implicit and (triples.values < 0).any():
        wrong = triples.values < 0
        raise ValueError(
            f"{entry(triples, wrong.argmax())} is negative, as are {wrong.sum():,} in all. The strength of implicit "
            "feedback is a count or another number from 0; ratings that can be negative are feedback='explicit'."
        )


def entry(triples, place):
    """Name one rating for a message."""
    row, column = (
        ids[place].item() if hasattr(ids[place], "item") else ids[place] for ids in (triples.rows, triples.columns)
    )
    return f"the rating of row {row!r}, column {column!r} ({triples.values[place]:g})"


def places_of(ids, index, what, unknown="error"):
    """Where ids are in an index.

    Args:
        ids: The ids.
        index: `pandas.Index` of those that are known.
        what: "row" or "column", for the message.
        unknown: "error", or "average": -1 for them.

    Returns:
        int `(len(ids),)`.

    Raises:
        ValueError: An id is not known, and the message says which.
    """
    if isinstance(index, pd.RangeIndex) and isinstance(ids, np.ndarray) and ids.dtype.kind == "i":
        # Of a matrix the ids are the places: millions need no look-up.
        return checked(np.where((ids >= 0) & (ids < len(index)), ids, -1), ids, what, unknown)
    try:
        places = index.get_indexer(pd.Index(ids))
    except TypeError as error:
        raise TypeError(f"ids of {what}s must be comparable with those of the fit: {error}") from None
    return checked(places, ids, what, unknown)


def checked(places, ids, what, unknown):
    new = places < 0
    if unknown == "error" and new.any():
        first = pd.Index(ids)[[new.argmax()]].tolist()[0]
        raise ValueError(
            f"{what} {first!r} was not seen in fit, nor {new.sum() - 1:,} others of {len(places):,} given."
        )
    return places


def grow(index, ids, size=None):
    """An index with the new ones among some ids at its end, in the order they appear in.

    Args:
        index: `pandas.Index`, or None for an empty one.
        ids: The ids.
        size: Of a matrix, its size: ids are places from 0.
    """
    if size is not None:
        return pd.RangeIndex(size if index is None else max(size, len(index)))
    found = pd.Index(pd.unique(pd.Series(ids)))
    return found if index is None else index.append(found[~found.isin(index)])


def merge(rows, columns, values, shape, how):
    """Make one entry of several with the same row and column.

    Args:
        rows: int `(entries,)`, places.
        columns: int `(entries,)`, places.
        values: float `(entries,)`.
        shape: Of the matrix.
        how: "mean", "sum" or "last" of them, or "error" for a ValueError.

    Returns:
        `(rows, columns, values)` without repetitions, in the order of the first ones.
    """
    # The quick answer for most: a sparse matrix holds every pair once. (SciPy 1.13.0 forgets that in `csr_array`.)
    if sparse.coo_array((np.ones(len(values), np.int8), (rows, columns)), shape=shape).tocsr().nnz == len(values):
        return rows, columns, values
    keys = rows.astype(np.int64) * shape[1] + columns
    distinct, first, group = np.unique(keys, return_index=True, return_inverse=True)
    repeated = len(keys) - len(distinct)
    if how == "error":
        counts = np.bincount(group)
        again = first[np.flatnonzero(counts > 1)].min()
        raise ValueError(
            f"{repeated:,} rating(s) repeat a pair of row and column, the first at place {rows[again]} x "
            f"{columns[again]}. Set duplicate_policy='mean', 'sum' or 'last' to say how they are merged."
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
            f"{repeated:,} rating(s) repeat a pair of row and column; the mean of each pair is used "
            "(duplicate_policy='mean').",
            stacklevel=4,
        )
    order = np.argsort(first)
    return rows[first[order]], columns[first[order]], merged[order]
