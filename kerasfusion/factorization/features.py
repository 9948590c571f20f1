"""Side information as a person has it -> a matrix whose rows stand in the model's order."""

import numpy as np
import pandas as pd
from scipy import sparse

from kerasfusion.factorization.ratings import grow, places_of


def read_features(features, index, what, dtype):
    """Bring features into the order of an index; ids that only the features have come at its end.

    Args:
        features: A DataFrame with the ids as its index; a tuple `(ids, matrix)`; or, where ratings are a matrix, a
            matrix with as many rows. Dense or sparse.
        index: `pandas.Index` of the ids so far, or None where there are none.
        what: "row" or "column", for messages.
        dtype: Type of the matrix.

    Returns:
        `(index, matrix, present)`: the longer index; float `(n, F)`, dense with NaN or sparse with empty rows where
        an id has no features; bool `(n,)`, which ids have some.

    Raises:
        TypeError, ValueError: What is wrong and where.
    """
    name = f"{what}_features"
    ids, matrix = None, features
    if isinstance(features, pd.DataFrame):
        ids, matrix = features.index, numbers_of(features, name, dtype)
    elif isinstance(features, tuple):
        if len(features) != 2:
            raise ValueError(f"{name} as a tuple is (ids, matrix); got {len(features)} parts.")
        ids, matrix = pd.Index(features[0]), features[1]
    matrix = matrix.tocsr().astype(dtype) if sparse.issparse(matrix) else as_array(matrix, name, dtype)
    if ids is None:
        if index is None:
            index = pd.RangeIndex(matrix.shape[0])
        if not isinstance(index, pd.RangeIndex):
            raise ValueError(
                f"the ratings name their {what}s by id: give {name} as a DataFrame indexed by id or (ids, matrix)."
            )
        if matrix.shape[0] != len(index):
            raise ValueError(f"{name} has {matrix.shape[0]:,} rows; the ratings have {len(index):,} {what}s.")
        ids = index
    if len(ids) != matrix.shape[0]:
        raise ValueError(f"{name} has {len(ids):,} ids for {matrix.shape[0]:,} rows.")
    if not ids.is_unique:
        raise ValueError(f"{name} has the id {ids[ids.duplicated()][0]!r} more than once.")
    check_finite(matrix, ids, name)
    if not isinstance(index, pd.RangeIndex):
        index = grow(index, ids)
    return (index, *place(matrix, places_of(ids, index, what), len(index)))


def place(matrix, places, n):
    """Rows of a matrix at their places among `n`; the rest is missing."""
    present = np.zeros(n, bool)
    present[places] = True
    if sparse.issparse(matrix):
        matrix = matrix.tocoo()
        shape = (n, matrix.shape[1])
        return sparse.csr_array((matrix.data, (places[matrix.row], matrix.col)), shape=shape), present
    placed = np.full((n, matrix.shape[1]), np.nan, matrix.dtype)
    placed[places] = matrix
    return placed, present & ~np.isnan(placed).all(axis=1)


def numbers_of(frame, name, dtype):
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]) and not pd.api.types.is_bool_dtype(frame[column]):
            raise ValueError(
                f"column {column!r} of {name} does not hold numbers. Make indicators of its values first, for "
                "example with pandas.get_dummies."
            )
    return frame.to_numpy(dtype, na_value=np.nan)


def as_array(matrix, name, dtype):
    try:
        matrix = np.asarray(matrix, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} does not hold numbers alone: {error}") from None
    if matrix.ndim != 2:
        raise ValueError(f"{name} has shape {matrix.shape}; it must have two dimensions.")
    return matrix


def check_finite(matrix, ids, name):
    """Refuse infinite entries, and NaN among those that a sparse matrix stores; in an array it is a missing entry."""
    if sparse.issparse(matrix):
        listed = matrix.tocoo()
        wrong = np.flatnonzero(~np.isfinite(listed.data))
        cells = listed.row, listed.col
    else:
        cells = np.nonzero(np.isinf(matrix))
        wrong = np.arange(len(cells[0]))
    if len(wrong):
        row, column = cells[0][wrong[0]], cells[1][wrong[0]]
        raise ValueError(
            f"{name}: the entry of {ids[row]!r} in column {column} is no finite number, as are {len(wrong):,} in "
            "all. Only an array can have missing entries (NaN); a sparse matrix omits them (unobserved='missing')."
        )
