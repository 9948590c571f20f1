"""One half-step of alternating least squares: solve for all rows while the columns are fixed."""

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits

from kerasfusion.factorization.solvers import SOLVERS, Regressions, solve_shared


@dataclasses.dataclass(frozen=True)
class Design:
    """Regressors of the rows: the factors of the columns.

    Args:
        table: float `(m + 1, k)`, factors of the columns and a last row of zeros for padding.
        offsets: float `(m + 1,)`, subtracted from all values of a column, or `None`.
        background: float `(m + 1,)`, weight of an unlisted entry (the zeros of implicit feedback, which are part of
            the shared matrix), or `None`.
        last: float `(m + 1,)`, a last column of the table, or `None`. The number of unknowns `K` is then `k + 1`. It
            is kept apart so that the rows of `table` are aligned to cache lines for `k` such as 64.
    """

    table: np.ndarray
    offsets: np.ndarray | None = None
    background: np.ndarray | None = None
    last: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Shared:
    """Terms of the normal equations that come from fully known columns, shared by all rows of the same kind.

    Args:
        matrices: float `(kinds, K, K)`, Gram matrices.
        kind: int `(n,)`, index of each row's Gram matrix.
        products: float `(n, K)`, right-hand sides.
        constants: float64 `(n,)`, objective at zero factors.
    """

    matrices: np.ndarray
    kind: np.ndarray
    products: np.ndarray
    constants: np.ndarray


@contextlib.contextmanager
def workers(n_jobs):
    """Thread pool in which each thread runs BLAS single-threaded, so that they do not compete for cores."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(effective_n_jobs(n_jobs)) as pool:
        yield pool


def half_step(buckets, design, shared, ridge, start, solver, pool, lower=None):
    """Solve a ridge regression for every row.

    Args:
        buckets: List of `Bucket`.
        design: `Design`, the regressors.
        shared: `Shared`, or `None`.
        ridge: float `(n,)`, regularization of each row's squared norm.
        start: float `(n, K)`, initial values of the approximate solvers.
        solver: `"cg"`, `"cholesky"` or `"nonnegative"`.
        pool: Thread pool, from `workers`.
        lower: float `(K,)`, lower bounds for `"nonnegative"`.

    Returns:
        tuple: factors, float `(n, K)`, and the objective: squared errors plus regularization, summed over rows.

    Raises:
        ValueError: If a regression is singular.
    """
    factors = np.zeros_like(start)
    solve = SOLVERS[solver]
    several = shared is not None and len(shared.matrices) > 1

    # BLAS products of finite numbers sometimes set the invalid flag spuriously. A real failure raises overflow or
    # division by zero first, and those are still reported.
    @np.errstate(invalid="ignore")
    def work(bucket):
        rows = bucket.rows
        values, last = bucket.values, None
        if design.offsets is not None:
            values = values - design.offsets.take(bucket.columns)
        if design.last is not None:
            last = design.last.take(bucket.columns)
        targets, weights = values, bucket.weights
        if weights is not None:
            targets = weights * values
            if design.background is not None:
                weights = weights - design.background.take(bucket.columns)
        constant = float((targets * values).sum(dtype=np.float64))
        S = products = None
        if shared is not None:
            products = shared.products[rows]
            S = shared.matrices[shared.kind[rows]] if several else shared.matrices[0]
            constant += float(shared.constants[rows].sum())
        G = design.table.take(bucket.columns, axis=0)
        regressions = Regressions(G, last, weights, targets, ridge[rows], S, products)
        factors[rows], explained = solve(regressions, start[rows], lower)
        return constant - float(explained.sum(dtype=np.float64))

    objective = sum(pool.map(work, buckets))
    alone = np.ones(len(start), bool)
    for bucket in buckets:
        alone[bucket.rows] = False
    # Rows without entries and without shared terms have their minimum at zero.
    if shared is not None and alone.any():
        for kind, matrix in enumerate(shared.matrices):
            rows = np.flatnonzero(alone & (shared.kind == kind))
            if len(rows):
                b = shared.products[rows]
                x, residual = solve_shared(matrix, ridge[rows[0]], b, start[rows], lower, solver == "nonnegative")
                factors[rows] = x
                objective += float(shared.constants[rows].sum() - (x * (b + residual)).sum(dtype=np.float64))
    return factors, objective
