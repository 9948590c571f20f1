"""Several matrices over the same items, as a person has them -> checked, with who has what."""

import numpy as np
from scipy import sparse


def read_views(views, dtype, present=None, known=None):
    """Check views and find which items have which.

    Args:
        views: dict of name -> `(n, F)` matrix, or a list of matrices, whose names are then 0, 1, ... Dense: a row of
            NaN is an item without the view, other NaN are missing entries. Sparse: all rows are there.
        dtype: Type of the values.
        present: dict of name -> bool `(n,)` for views whose missing rows are not NaN; others may be left out.
        known: dict of name -> number of features, of the fit, or None.

    Returns:
        dict of name -> `(matrix, present)`, the values of a sparse one in CSR order.

    Raises:
        ValueError, TypeError: What is wrong, in which view and where.
    """
    if not isinstance(views, dict):
        if not isinstance(views, (list, tuple)):
            raise TypeError(f"views are a dict of name -> matrix or a list of matrices; got {type(views).__name__}.")
        views = dict(enumerate(views))
    if not views:
        raise ValueError("there are no views.")
    present = {} if present is None else present
    for name in present:
        if name not in views:
            raise ValueError(f"present names the view {name!r}; the views are {list(views)}.")
    read, rows = {}, None
    for name, matrix in views.items():
        if known is not None and name not in known:
            raise ValueError(f"view {name!r} was not in fit; its views are {list(known)}.")
        matrix = read_view(name, matrix, dtype)
        if known is not None and matrix.shape[1] != known[name]:
            raise ValueError(f"view {name!r} has {matrix.shape[1]:,} features; in fit it had {known[name]:,}.")
        if rows is not None and matrix.shape[0] != rows:
            raise ValueError(f"view {name!r} has {matrix.shape[0]:,} rows; the others have {rows:,}.")
        rows = matrix.shape[0]
        has = np.ones(rows, bool) if name not in present else np.asarray(present[name])
        if has.shape != (rows,) or has.dtype != bool:
            raise ValueError(f"present[{name!r}] has shape {has.shape}, type {has.dtype}; it must be bool ({rows},).")
        if not sparse.issparse(matrix):
            has = has & ~np.isnan(matrix).all(axis=1)
        read[name] = matrix, has
    return read


def read_view(name, matrix, dtype):
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
            raise ValueError(f"view {name!r} does not hold numbers alone: {error}") from None
        cells = np.nonzero(np.isinf(matrix))
    if matrix.ndim != 2 or not all(matrix.shape):
        raise ValueError(f"view {name!r} has shape {matrix.shape}; it must be (items, features) and not empty.")
    if len(cells[0]):
        raise ValueError(
            f"view {name!r}, row {cells[0][0]}, column {cells[1][0]}: no finite number, as are {len(cells[0]):,} in "
            "all. Only a dense view can have missing entries (NaN); a sparse one omits them (unobserved='missing')."
        )
    return matrix


def common_rows(views):
    """Which items have every view, bool `(n,)`."""
    return np.logical_and.reduce([present for _, present in views.values()])
