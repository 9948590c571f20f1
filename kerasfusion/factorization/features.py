"""Read side information into a matrix whose rows are in the order of the model."""

import numpy as np
import pandas as pd
from scipy import sparse

from kerasfusion.factorization.ratings import grow, places_of


def read_features(features, index, what, dtype):
    """Arrange features in the order of an index. New ids are appended to it.

    Args:
        features: A DataFrame indexed by id, or a tuple `(ids, matrix)`. If the ratings are a matrix, also a matrix
            with the same number of rows. Dense or sparse.
        index: `pandas.Index` of the known ids, or `None`.
        what: `"row"` or `"column"`, for error messages.
        dtype: Type of the matrix.

    Returns:
        tuple: the extended index; the features, float `(n, F)`, with rows of NaN (dense) or empty rows (sparse) for
        ids without features; and bool `(n,)`, the ids that have features.

    Raises:
        TypeError, ValueError: If the features are invalid. The message names the entry.
    """
    name = f"{what}_features"
    ids, matrix = None, features
    if isinstance(features, pd.DataFrame):
        ids, matrix = features.index, numbers_of(features, name, dtype)
    elif isinstance(features, tuple):
        if len(features) != 2:
            raise ValueError(f"{name} must be a tuple (ids, matrix). Received: {len(features)} elements")
        ids, matrix = pd.Index(features[0]), features[1]
    matrix = matrix.tocsr().astype(dtype) if sparse.issparse(matrix) else as_array(matrix, name, dtype)
    if ids is None:
        if index is None:
            index = pd.RangeIndex(matrix.shape[0])
        if not isinstance(index, pd.RangeIndex):
            raise ValueError(
                f"The ratings identify {what}s by id, so {name} must be a DataFrame indexed by id or (ids, matrix)."
            )
        if matrix.shape[0] != len(index):
            raise ValueError(f"{name} has {matrix.shape[0]:,} rows, but the ratings have {len(index):,} {what}s.")
        ids = index
    if len(ids) != matrix.shape[0]:
        raise ValueError(f"{name} has {len(ids):,} ids, but {matrix.shape[0]:,} rows.")
    if not ids.is_unique:
        raise ValueError(f"{name} has duplicate rows for the id {ids[ids.duplicated()][0]!r}.")
    check_finite(matrix, ids, name)
    if not isinstance(index, pd.RangeIndex):
        index = grow(index, ids)
    return (index, *place(matrix, places_of(ids, index, what), len(index)))


def place(matrix, places, n):
    """Scatter the rows of a matrix to their indices among `n` rows; the others are missing."""
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
                f"Column {column!r} of {name} is not numeric. Encode its values first, for example with "
                "pandas.get_dummies."
            )
    return frame.to_numpy(dtype, na_value=np.nan)


def as_array(matrix, name, dtype):
    try:
        matrix = np.asarray(matrix, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numeric: {error}") from None
    if matrix.ndim != 2:
        raise ValueError(f"{name} must have two dimensions. Received: shape {matrix.shape}")
    return matrix


def check_finite(matrix, ids, name):
    """Raise on infinite entries and on a stored NaN of a sparse matrix. In an array, NaN is a missing entry."""
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
            f"{name}: the entry of {ids[row]!r} in column {column} is not finite ({len(wrong):,} such entries). Only "
            "an array can have missing entries (NaN); a sparse matrix omits them (unobserved='missing')."
        )
