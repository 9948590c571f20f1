"""The engine: every row's regression is solved, whatever its bucket."""

import numpy as np
import pytest
from planted import hidden, low_rank
from scipy.optimize import nnls

from kerasfusion.factorization import CollectiveMatrixFactorization, buckets
from kerasfusion.factorization.als_step import Design, half_step, workers
from kerasfusion.factorization.entries import Entries


def entries_of(matrix, weights=None):
    rows, columns = np.nonzero(~np.isnan(matrix))
    return Entries.sort(rows, columns, matrix[rows, columns], weights, matrix.shape)


def test_buckets_hold_every_entry_once_and_little_padding(monkeypatch):
    monkeypatch.setattr(buckets, "MAX_BUCKET_SIZE", 2000)
    random = np.random.default_rng(0)
    share = random.random((300, 1)) ** 3
    matrix = np.where(random.random((300, 90)) < share, 1.0 + np.arange(27000).reshape(300, 90), np.nan)
    planned = buckets.plan(entries_of(matrix), width=5)
    rebuilt = np.full((300, 91), np.nan)
    for bucket in planned:
        assert bucket.columns.size * 5 <= 2000 and bucket.weights is None
        rebuilt[bucket.rows[:, None], bucket.columns] = bucket.values
    assert np.array_equal(rebuilt[:, :90], matrix, equal_nan=True)
    rows = np.concatenate([bucket.rows for bucket in planned])
    assert sorted(rows) == np.flatnonzero(~np.isnan(matrix).all(axis=1)).tolist()
    assert sum(bucket.columns.size for bucket in planned) < 1.2 * (~np.isnan(matrix)).sum()


def test_a_rating_of_zero_is_an_entry():
    matrix = np.array([[0.0, np.nan], [np.nan, 0.0]])
    entries = entries_of(matrix)
    assert entries.counts.tolist() == [1, 1] and entries.transpose().values.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("solver", ["cholesky", "nonnegative"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_row_is_its_own_regression(solver, weighted):
    random = np.random.default_rng(1)
    matrix = np.where(random.random((50, 30)) < random.random((50, 1)), random.standard_normal((50, 30)), np.nan)
    matrix[7] = np.nan
    weights = random.uniform(0.5, 2, (~np.isnan(matrix)).sum()) if weighted else None
    entries, V = entries_of(matrix, weights), random.standard_normal((30, 6))
    design, ridge = Design(np.vstack([V, np.zeros(6)])), random.uniform(0.01, 1, 50)
    with workers(2) as pool:
        found, objective = half_step(
            buckets.plan(entries, 6), design, None, ridge, np.zeros((50, 6)), solver, pool, np.zeros(6)
        )
    total, place = 0.0, 0
    for i in range(50):
        known = ~np.isnan(matrix[i])
        root = np.sqrt(weights[place : place + known.sum()]) if weighted else np.ones(known.sum())
        place += known.sum()
        # Ridge regression as least squares with k more equations.
        A = np.vstack([V[known] * root[:, None], np.sqrt(ridge[i]) * np.eye(6)])
        b = np.concatenate([matrix[i, known] * root, np.zeros(6)])
        expected = nnls(A, b)[0] if solver == "nonnegative" else np.linalg.lstsq(A, b, rcond=None)[0]
        np.testing.assert_allclose(found[i], expected, atol=1e-6 if solver == "nonnegative" else 1e-10)
        total += np.square(A @ expected - b).sum()
    assert objective == pytest.approx(total, rel=1e-10)


def test_conjugate_gradients_approach_the_solution():
    matrix, mask = low_rank()
    exact = CollectiveMatrixFactorization(4, solver="cholesky", max_iter=40, tol=0, dtype="float64", random_state=0)
    found = exact.fit(hidden(matrix, mask))
    quick = CollectiveMatrixFactorization(4, solver="cg", max_iter=40, tol=0, dtype="float64", random_state=0)
    quick.fit(hidden(matrix, mask))
    assert quick.history_[-1]["objective"] == pytest.approx(found.history_[-1]["objective"], rel=2e-3)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_threads_do_not_change_the_result(solver, monkeypatch):
    monkeypatch.setattr(buckets, "MAX_BUCKET_SIZE", 500)
    ratings = hidden(*low_rank())
    one, four = (
        CollectiveMatrixFactorization(4, solver=solver, n_jobs=jobs, max_iter=3, random_state=0).fit(ratings)
        for jobs in (1, 4)
    )
    assert np.array_equal(one.row_factors_, four.row_factors_) and one.history_ == four.history_
