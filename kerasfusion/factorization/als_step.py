"""One half of an alternation: every row's factors, while the other side's stay as they are."""

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits

from kerasfusion.factorization.solvers import SOLVERS, Regressions, solve_shared


@dataclasses.dataclass(frozen=True)
class Design:
    """What the entries of a matrix's columns are regressed on.

    Args:
        table: float `(m + 1, k)`, the columns' factors and a last row of zeros, where padding points.
        offsets: float `(m + 1,)`, what is taken from every value of a column, or None.
        background: float `(m + 1,)`, the weight that an entry has although it is not listed (implicit feedback: those
            zeros are in the rows' shared matrix), or None.
        last: float `(m + 1,)`, one column more of the table, the last, or None: `K` is `k + 1` with it, else `k`. Of
            `k` such as 64, rows of the table alone begin where cache lines do, and are read sooner.
    """

    table: np.ndarray
    offsets: np.ndarray | None = None
    background: np.ndarray | None = None
    last: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Shared:
    """What rows have in common, by the kind of row: the parts of a regression whose columns are known throughout.

    Args:
        matrices: float `(kinds, K, K)`.
        kind: int `(n,)`, every row's kind.
        products: float `(n, K)`, the right-hand sides.
        constants: float64 `(n,)`, the objective of all-zero factors.
    """

    matrices: np.ndarray
    kind: np.ndarray
    products: np.ndarray
    constants: np.ndarray


@contextlib.contextmanager
def workers(n_jobs):
    """A pool of threads, each with BLAS in one thread: they would otherwise fight for the same cores."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(effective_n_jobs(n_jobs)) as pool:
        yield pool


def half_step(buckets, design, shared, ridge, start, solver, pool, lower=None):
    """Solve the regularized regression of every row.

    Args:
        buckets: list of `Bucket`.
        design: `Design` of the buckets' columns.
        shared: `Shared`, or None.
        ridge: float `(n,)`, the weight of every row's squared norm.
        start: float `(n, K)`, where the approximate solvers start from.
        solver: "cg", "cholesky" or "nonnegative".
        pool: Threads, from `workers`.
        lower: float `(K,)`, least values, for "nonnegative".

    Returns:
        `(factors, objective)`: float `(n, K)`, and the sum over the rows of squared errors and regularization.

    Raises:
        ValueError: A regression is singular.
    """
    factors = np.zeros_like(start)
    solve = SOLVERS[solver]
    several = shared is not None and len(shared.matrices) > 1

    # Now and then a BLAS product of finite numbers sets this flag, for what its registers hold beside them. Where a
    # number is lost in truth, an overflow or a division by zero comes first and is told.
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
    # Without entries and without anything shared, the least is at zero.
    if shared is not None and alone.any():
        for kind, matrix in enumerate(shared.matrices):
            rows = np.flatnonzero(alone & (shared.kind == kind))
            if len(rows):
                b = shared.products[rows]
                x, residual = solve_shared(matrix, ridge[rows[0]], b, start[rows], lower, solver == "nonnegative")
                factors[rows] = x
                objective += float(shared.constants[rows].sum() - (x * (b + residual)).sum(dtype=np.float64))
    return factors, objective
