import numpy as np
import pandas as pd
import pytest
from planted import hidden, low_rank
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from kerasfusion.factorization import CollectiveMatrixFactorization


def model(n_components=4, **settings):
    defaults = {"solver": "cholesky", "dtype": "float64", "tol": 0, "max_iter": 15, "random_state": 0}
    return CollectiveMatrixFactorization(n_components, **{**defaults, **settings})


def side_information(n, F, k, seed, missing):
    random = np.random.default_rng(seed)
    features = random.standard_normal((n, k)) @ random.standard_normal((k, F)) + 2
    if missing == "entries":
        features[random.random((n, F)) < 0.3] = np.nan
    if missing == "rows":
        features[::4] = np.nan
    if missing == "sparse":
        features = sparse.csr_array(features * (random.random((n, F)) < 0.3))
    return features


def objective(found, ratings, features, weights, strengths, implicit=False):
    """The objective by its definition, entry by entry."""
    mask = ~np.isnan(ratings)
    U, V = found.row_factors_, found.column_factors_
    fitted = U @ V.T + found.mean_ + found.row_bias_[:, None] + found.column_bias_
    if implicit:
        total = np.square(mask - U @ V.T)[~mask].sum()
        total += ((1 + np.nan_to_num(ratings)) * np.square(1 - U @ V.T))[mask].sum()
    else:
        total = np.square(ratings - fitted)[mask].sum()
    for side, axis in (("row", 1), ("column", 0)):
        factors, bias = getattr(found, f"{side}_factors_"), getattr(found, f"{side}_bias_")
        counts = mask.sum(axis=axis)
        counts = np.where(counts, counts, counts[counts > 0].mean())
        strength, weight, matrix = strengths[1 - axis], weights[1 - axis], features[1 - axis]
        total += strength * counts @ (np.square(factors).sum(axis=1) + bias**2)
        if matrix is None:
            continue
        matrix = matrix.toarray() if sparse.issparse(matrix) else matrix
        known = ~np.isnan(matrix)
        loadings = getattr(found, f"{side}_loadings_")
        known_by = factors if implicit else np.column_stack([factors, bias])
        error = np.nan_to_num(matrix) - getattr(found, f"{side}_means_") - known_by @ loadings.T
        total += weight * np.square(error)[known].sum()
        total += strength * known.sum(axis=0) @ np.square(loadings).sum(axis=1)
    return total


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("missing", ["none", "rows", "entries", "sparse"])
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
def test_the_objective_is_as_defined_and_never_rises(solver, missing, feedback):
    ratings = np.abs(hidden(*low_rank(30, 20)))
    ratings[3] = np.nan
    features = [side_information(30, 5, 3, 1, missing), side_information(20, 7, 3, 2, missing)]
    settings = {"solver": solver, "feedback": feedback, "side_info_weight": (0.5, 2.0), "regularization": (0.05, 0.1)}
    found = model(**settings).fit(ratings, row_features=features[0], column_features=features[1])
    values = np.array([entry["objective"] for entry in found.history_])
    assert len(values) == 30 and np.diff(values).max() <= 1e-9 * values[0]
    assert values[-1] < 0.5 * values[0]
    expected = objective(found, ratings, features, (0.5, 2.0), (0.05, 0.1), feedback == "implicit")
    assert values[-1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("settings", [{"biases": False}, {"nonnegative": True}, {"weighted_regularization": False}])
def test_the_objective_never_rises_without_side_information(settings):
    found = model(**settings).fit(hidden(*low_rank(30, 20)))
    values = np.array([entry["objective"] for entry in found.history_])
    assert np.diff(values).max() <= 1e-9 * values[0]
    if "nonnegative" in settings:
        assert min(found.row_factors_.min(), found.column_factors_.min()) == 0


def test_each_column_equals_its_regression():
    # The columns are solved last, so they are exact for the rows as they stand.
    ratings, Y = hidden(*low_rank(30, 20)), side_information(20, 7, 3, 2, "entries")
    found = model(regularization=(0.05, 0.2), side_info_weight=3.0, max_iter=1).fit(ratings, column_features=Y)
    first = model(regularization=(0.05, 0.2), side_info_weight=3.0, max_iter=1)
    first.callback = lambda entry: entry["half"] == "rows"
    assert len(first.fit(ratings, column_features=Y).history_) == 2
    for j in range(20):
        known = ~np.isnan(ratings[:, j])
        # In the first iteration the loadings are still 0, so the features say nothing yet.
        design = np.column_stack([found.row_factors_[known], np.ones(known.sum())])
        target = ratings[known, j] - found.mean_ - found.row_bias_[known]
        A = np.vstack([design, np.sqrt(0.2 * known.sum()) * np.eye(5)])
        expected = np.linalg.lstsq(A, np.concatenate([target, np.zeros(5)]), rcond=None)[0]
        np.testing.assert_allclose([*found.column_factors_[j], found.column_bias_[j]], expected, atol=1e-9)


def test_folding_in_equals_the_regression_with_features():
    ratings, X = hidden(*low_rank(30, 20)), side_information(30, 6, 3, 2, "none")
    found = model(regularization=(0.3, 0.1), side_info_weight=2.0).fit(ratings, row_features=X)
    folded = found.transform(ratings[:5], row_features=X[:5])
    for i in range(5):
        known = ~np.isnan(ratings[i])
        design = np.column_stack([found.column_factors_[known], np.ones(known.sum())])
        side = found.row_loadings_ * np.sqrt(2)
        A = np.vstack([design, side, np.sqrt(0.3 * known.sum()) * np.eye(5)])
        target = ratings[i, known] - found.mean_ - found.column_bias_[known]
        b = np.concatenate([target, np.sqrt(2) * (X[i] - found.row_means_), np.zeros(5)])
        np.testing.assert_allclose(folded[i], np.linalg.lstsq(A, b, rcond=None)[0], atol=1e-6)


def test_features_tell_the_bias_of_a_column_without_ratings():
    random = np.random.default_rng(0)
    liked = np.repeat([-1.0, 1.0], 20)
    ratings = 3 + liked + 0.1 * random.standard_normal((60, 40))
    ratings[:, [0, 39]] = np.nan
    found = model(1, regularization=0.001, side_info_weight=5.0).fit(ratings, column_features=liked[:, None])
    np.testing.assert_allclose(found.column_bias_[[0, 39]], [-1, 1], atol=0.1)
    np.testing.assert_allclose(found.transform_columns(column_features=[[1.0]])[0, -1], 1, atol=0.1)


def test_a_full_matrix_has_the_shrunken_singular_values():
    random = np.random.default_rng(0)
    left, right = np.linalg.qr(random.standard_normal((25, 6)))[0], np.linalg.qr(random.standard_normal((15, 6)))[0]
    values = np.array([20, 12, 7, 4, 0.5, 0.2])
    P = left * values @ right.T
    settings = {"biases": False, "weighted_regularization": False, "regularization": (0.5, 2.0), "max_iter": 250}
    found = model(6, **settings).fit(P)
    expected = left * np.maximum(values - np.sqrt(0.5 * 2.0), 0) @ right.T
    np.testing.assert_allclose(found.row_factors_ @ found.column_factors_.T, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_a_planted_matrix_is_recovered(solver):
    matrix, mask = low_rank(120, 80, noise=0.01)
    found = model(solver=solver, regularization=1e-4, max_iter=60, dtype="float32").fit(hidden(matrix, mask))
    fitted = found.row_factors_ @ found.column_factors_.T + found.mean_
    fitted += found.row_bias_[:, None] + found.column_bias_
    unseen = np.sqrt(np.mean((fitted - matrix)[~mask] ** 2))
    assert unseen < 0.02 < 0.1 * matrix.std()


def test_a_planted_nonnegative_matrix_is_recovered():
    random = np.random.default_rng(0)
    matrix = random.uniform(0, 1, (60, 3)) @ random.uniform(0, 1, (3, 40))
    mask = random.random(matrix.shape) < 0.6
    settings = {"nonnegative": True, "biases": False, "regularization": 1e-6, "max_iter": 30}
    found = model(3, **settings).fit(hidden(matrix, mask))
    assert found.row_factors_.min() >= 0 and found.column_factors_.min() >= 0
    assert np.abs(found.row_factors_ @ found.column_factors_.T - matrix)[~mask].max() < 0.05


def test_cold_columns_are_predicted_from_their_features():
    matrix, mask = low_rank(100, 60, known=0.7)
    random = np.random.default_rng(3)
    centered = matrix - matrix.mean(axis=0)
    basis = np.linalg.svd(centered, full_matrices=False)[2][:4].T * 5
    features = basis @ random.standard_normal((4, 12))
    mask[:, 50:] = False
    settings = {"regularization": 0.01, "max_iter": 30}
    warm = model(**settings).fit(hidden(matrix, mask), column_features=features)
    blind = model(**settings).fit(hidden(matrix, mask))
    rows, columns = np.divmod(np.arange(100 * 10), 10)
    truth = matrix[rows, columns + 50]
    errors = [np.sqrt(np.mean((m.predict(rows, columns + 50) - truth) ** 2)) for m in (warm, blind)]
    assert errors[0] < 0.75 * errors[1]
    assert not blind.column_factors_[50:].any()
    folded = warm.transform_columns(column_features=features[50:])
    np.testing.assert_allclose(folded[:, :4], warm.column_factors_[50:], atol=0.05)


def test_implicit_feedback_ranks_held_out_columns():
    random = np.random.default_rng(0)
    groups = np.equal.outer(np.arange(80) % 4, np.arange(60) % 4)
    counts = np.where(random.random((80, 60)) < np.where(groups, 0.5, 0.02), random.integers(1, 5, (80, 60)), 0)
    held = (random.random(counts.shape) < 0.2) & (counts > 0)
    train, test = sparse.coo_array(np.where(held, 0, counts)), sparse.coo_array(np.where(held, counts, 0))
    found = model(feedback="implicit", alpha=5.0).fit(train)
    assert found.score(test) > 0.8
    assert found.score(test) > found.fit(sparse.coo_array(random.permutation(train.toarray()))).score(test) + 0.2


def as_table(counts):
    rows, columns = np.indices(counts.shape)
    return pd.DataFrame({"row": rows.ravel(), "column": columns.ravel(), "count": counts.ravel()})


@pytest.mark.parametrize("with_zeros", [np.array, sparse.coo_array, as_table])
@pytest.mark.parametrize("validation_fraction", [0, 0.2])
def test_a_strength_of_zero_is_no_observation(with_zeros, validation_fraction):
    counts = np.random.default_rng(0).poisson(0.4, (30, 20)).astype(float)
    absent = sparse.coo_array(counts)
    given = with_zeros(counts)
    if sparse.issparse(given):
        given = sparse.coo_array((counts.ravel(), np.indices(counts.shape).reshape(2, -1)), shape=counts.shape)
        assert given.nnz == counts.size
    settings = {"feedback": "implicit", "alpha": 5.0, "validation_fraction": validation_fraction}
    one, other = (model(**settings).fit(ratings) for ratings in (absent, given))
    np.testing.assert_array_equal(one.row_factors_, other.row_factors_)
    np.testing.assert_array_equal(one.column_factors_, other.column_factors_)
    assert one.ratings_.nnz == other.ratings_.nnz == (counts > 0).sum()
    assert one.score(absent) == pytest.approx(other.score(given))
    np.testing.assert_array_equal(one.transform(absent), other.transform(given))
    # What was not observed is still there to recommend.
    assert set(one.recommend(0, 20)[0]) == set(other.recommend(0, 20)[0]) == set(np.flatnonzero(counts[0] == 0))


def test_zeros_and_ones_are_told_apart_in_a_dense_array():
    groups = np.equal.outer(np.arange(40) % 2, np.arange(30) % 2).astype(float)
    found = model(feedback="implicit", alpha=5.0).fit(groups)
    fitted = found.row_factors_ @ found.column_factors_.T
    assert fitted[groups == 1].mean() > 0.8 and abs(fitted[groups == 0].mean()) < 0.1


def test_a_newer_strength_of_zero_clears_an_older_one():
    counts = np.random.default_rng(0).integers(0, 3, (12, 8)).astype(float)
    row, column = np.argwhere(counts > 0)[0]
    found = model(feedback="implicit").fit(as_table(counts))
    found.partial_fit(pd.DataFrame({"row": [row], "column": [column], "count": [0]}))
    assert found.ratings_.nnz == (counts > 0).sum() - 1 and found.ratings_[row, column] == 0


def test_implicit_feedback_of_zeros_alone_is_an_error():
    with pytest.raises(ValueError, match="All strengths of the implicit feedback are 0"):
        model(feedback="implicit").fit(np.zeros((6, 5)))


def test_float32_agrees_with_float64():
    ratings = hidden(*low_rank())
    single, double = (model(dtype=dtype, max_iter=3).fit(ratings) for dtype in ("float32", "float64"))
    assert single.row_factors_.dtype == np.float32 and single.predict([0], [0]).dtype == np.float32
    np.testing.assert_allclose(single.row_factors_, double.row_factors_, atol=2e-3)


def test_settings_follow_scikit_learn():
    first = model(regularization=(0.1, 0.2))
    again = clone(first).set_params(n_components=7)
    assert (
        again.get_params()["regularization"] == (0.1, 0.2) and again.n_components == 7 and not hasattr(again, "mean_")
    )
    matrix, mask = low_rank()
    assert clone(first).fit(hidden(matrix, mask)).score(matrix) < 0
    rows, columns = np.nonzero(mask)
    table = pd.DataFrame({"row": rows, "column": columns, "rating": matrix[mask]})
    search = GridSearchCV(
        model(max_iter=5), {"regularization": [1e-3, 10]}, cv=KFold(3, shuffle=True, random_state=0)
    )
    assert search.fit(table).best_params_ == {"regularization": 1e-3}


def test_early_stop_keeps_the_best_held_out_factors():
    matrix, mask = low_rank(60, 40, noise=1.5)
    settings = {"regularization": 1e-3, "validation_fraction": 0.2, "patience": 3, "max_iter": 50}
    found = model(**settings).fit(hidden(matrix, mask))
    scores = [entry["held_out"] for entry in found.history_ if "held_out" in entry]
    assert len(scores) < 50 and len(scores) == np.argmax(scores) + 1 + 3
    again = model(**settings)
    again.callback = lambda entry: entry.get("held_out") == max(scores)
    assert np.array_equal(again.fit(hidden(matrix, mask)).row_factors_, found.row_factors_)
    assert found.ratings_.nnz == mask.sum()


def test_tolerance_callback_and_verbose(capsys):
    ratings = hidden(*low_rank())
    assert len(model(max_iter=50, tol=1e-2).fit(ratings).history_) < 40
    seen = []
    model(callback=seen.append, max_iter=2, verbose=True).fit(ratings)
    assert [(e["iteration"], e["half"]) for e in seen] == [(1, "rows"), (1, "columns"), (2, "rows"), (2, "columns")]
    assert capsys.readouterr().out.count("objective") == 4


def test_partial_fit_adds_ratings_rows_and_columns():
    matrix, mask = low_rank(60, 40, known=0.6)
    found = model(regularization=1e-3, max_iter=30).fit(hidden(matrix, mask)[:50, :36])
    before = found.predict([3], [3])
    for _ in range(15):
        found.partial_fit(hidden(matrix, mask))
    assert found.row_factors_.shape == (60, 4) and found.column_factors_.shape == (40, 4)
    assert found.ratings_.nnz == mask.sum() and len(found.history_) == 2 * 45
    rows, columns = np.nonzero(~mask)
    assert np.sqrt(np.mean((found.predict(rows, columns) - matrix[rows, columns]) ** 2)) < 0.3
    changed = found.partial_fit(sparse.coo_array(([before[0] + 9], ([3], [3])), shape=(60, 40)))
    assert changed.ratings_[3, 3] == before[0] + 9 and changed.ratings_.nnz == mask.sum() + (not mask[3, 3])


def test_partial_fit_that_fails_changes_nothing():
    ratings = hidden(*low_rank())
    found = model(max_iter=2).fit(ratings)
    before = {name: np.copy(value) for name, value in vars(found).items() if isinstance(value, np.ndarray)}
    with pytest.raises(ValueError, match="stop here"):
        found.set_params(callback=stop).partial_fit(np.ones((70, 45)))
    assert found.ratings_.shape == (60, 40) and len(found.history_) == 4 and len(found.row_ids_) == 60
    for name, value in before.items():
        assert np.array_equal(vars(found)[name], value)


def stop(entry):
    raise ValueError("stop here")


def test_partial_fit_first_is_a_first_iteration():
    ratings = hidden(*low_rank())
    assert np.array_equal(model().partial_fit(ratings).row_factors_, model(max_iter=1).fit(ratings).row_factors_)


def test_partial_fit_takes_features_of_new_columns():
    matrix, mask = low_rank(40, 30, known=0.7)
    Y = side_information(30, 5, 3, 0, "none")
    found = model().fit(hidden(matrix, mask)[:, :25], column_features=Y[:25])
    given = Y.copy()
    given[:20] = np.nan
    found.partial_fit(hidden(matrix, mask), column_features=given)
    assert found.column_factors_.shape == (30, 4)
    np.testing.assert_array_equal(found._features[1][0], Y)
