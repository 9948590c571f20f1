"""Read and validate several views of the same items."""

import numpy as np
from scipy import sparse


def read_views(views, dtype, present=None, known=None):
    """Validate views and determine which items have which view.

    Args:
        views: Dict of name -> matrix `(n, F)`, or a list of matrices, named 0, 1, ... In a dense matrix, a row of NaN
            is a missing view and any other NaN a missing entry. In a sparse matrix, all rows are present.
        dtype: Type of the values.
        present: Dict of name -> bool `(n,)`, for views whose missing rows are not NaN. Defaults to `None`.
        known: Dict of name -> number of features of the fitted views. Defaults to `None`.

    Returns:
        Dict of name -> `(matrix, present)`; sparse matrices in CSR format.

    Raises:
        ValueError, TypeError: If a view is invalid. The message names the view and entry.
    """
    if not isinstance(views, dict):
        if not isinstance(views, (list, tuple)):
            raise TypeError(
                f"X must be a dict of view name -> matrix or a list of matrices. Received: {type(views).__name__}"
            )
        views = dict(enumerate(views))
    if not views:
        raise ValueError("X has no views.")
    present = {} if present is None else present
    for name in present:
        if name not in views:
            raise ValueError(f"present names the view {name!r}, but the views are {list(views)}.")
    read, rows = {}, None
    for name, matrix in views.items():
        if known is not None and name not in known:
            raise ValueError(f"View {name!r} was not in fit. Its views are {list(known)}.")
        matrix = read_view(name, matrix, dtype)
        if known is not None and matrix.shape[1] != known[name]:
            raise ValueError(f"View {name!r} has {matrix.shape[1]:,} features, but {known[name]:,} in fit.")
        if rows is not None and matrix.shape[0] != rows:
            raise ValueError(f"View {name!r} has {matrix.shape[0]:,} rows, but the others have {rows:,}.")
        rows = matrix.shape[0]
        has = np.ones(rows, bool) if name not in present else np.asarray(present[name])
        if has.shape != (rows,) or has.dtype != bool:
            raise ValueError(f"present[{name!r}] must be bool ({rows},). Received: {has.dtype} {has.shape}")
        if not sparse.issparse(matrix):
            has = has & ~np.isnan(matrix).all(axis=1)
        read[name] = matrix, has
    return read


def read_view(name, matrix, dtype):
    """Validate one view and convert it to `dtype`."""
    if sparse.issparse(matrix):
        matrix = sparse.csr_array(matrix, dtype=dtype)
        matrix.sum_duplicates()
        wrong, cells = ~np.isfinite(matrix.data), (matrix.tocoo().row, matrix.indices)
        wrong = np.flatnonzero(wrong)
        cells = cells[0][wrong], cells[1][wrong]
    else:
        try:
            matrix = np.asarray(matrix, dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"View {name!r} must be numeric: {error}") from None
        cells = np.nonzero(np.isinf(matrix))
    if matrix.ndim != 2 or not all(matrix.shape):
        raise ValueError(
            f"View {name!r} must have shape (items, features) and not be empty. Received: {matrix.shape}"
        )
    if len(cells[0]):
        raise ValueError(
            f"View {name!r}, row {cells[0][0]}, column {cells[1][0]} is not finite ({len(cells[0]):,} such entries). "
            "Only a dense view can have missing entries (NaN); a sparse one omits them (unobserved='missing')."
        )
    return matrix


def common_rows(views):
    """Items that have all views, bool `(n,)`."""
    return np.logical_and.reduce([present for _, present in views.values()])


def private_count(private, name):
    """Number of private factors of a view; `private` is a number, or a dict of name -> number."""
    return private.get(name, 0) if isinstance(private, dict) else private


def assign_factors(shared, views, private):
    """Assign factor indices to views.

    Args:
        shared: int, number of shared factors.
        views: Names of the views.
        private: int, number of private factors per view, or a dict of name -> number.

    Returns:
        Dict of name -> int array, shared factors first. The key `None` holds the total number of factors.
    """
    indices, end = {}, shared
    for name in views:
        count = private_count(private, name)
        indices[name] = np.concatenate([np.arange(shared), np.arange(end, end + count)])
        end += count
    return {**indices, None: end}
