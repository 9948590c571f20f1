"""What people hand in: tables with ids, matrices, and what is wrong with them."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from planted import hidden, low_rank
from scipy import sparse

from kerasfusion.factorization import CollectiveMatrixFactorization

TABLE = pd.DataFrame(
    {
        "user": ["ann", "ann", "bob", "cat", "cat", "dan"],
        "film": ["Alien", "Up", "Up", "Alien", "Heat", "Heat"],
        "stars": [5, 2, 4, 4.5, 0, 3],
    }
)


def model(n_components=2, **settings):
    defaults = {"solver": "cholesky", "dtype": "float64", "random_state": 0, "regularization": 0.05}
    return CollectiveMatrixFactorization(n_components, **{**defaults, **settings})


def test_import_waits_for_no_tensorflow():
    command = "import sys, kerasfusion.factorization; print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


def test_table_array_and_sparse_matrix_are_the_same_ratings():
    array = np.full((4, 3), np.nan)
    for user, film, stars in ((0, 0, 5), (0, 1, 2), (1, 1, 4), (2, 0, 4.5), (2, 2, 0), (3, 2, 3)):
        array[user, film] = stars
    rows, columns = np.nonzero(~np.isnan(array))
    # The rating of 0 is stored, and must stay one.
    matrix = sparse.csr_array((array[rows, columns], (rows, columns)), shape=(4, 3))
    fits = [model().fit(given) for given in (TABLE, array, matrix, matrix.tocsc())]
    assert fits[0].row_ids_.tolist() == ["ann", "bob", "cat", "dan"]
    assert fits[0].column_ids_.tolist() == ["Alien", "Up", "Heat"]
    for other in fits:
        assert other.ratings_.nnz == 6
        np.testing.assert_allclose(other.row_factors_, fits[0].row_factors_, atol=1e-12)
    assert fits[0].predict(["cat"], ["Heat"])[0] < 1.5


def test_recommend_and_similar_items():
    found = model().fit(TABLE)
    ids, scores = found.recommend("ann")
    assert ids.tolist() == ["Heat"] and scores == pytest.approx(found.predict(["ann"], ["Heat"]))
    ids, scores = found.recommend("ann", 2, exclude_seen=False)
    assert len(ids) == 2 and scores[0] >= scores[1]
    assert scores == pytest.approx(found.predict(["ann"] * 2, ids))
    ids, similarities = found.similar_items("Up")
    V = found.column_factors_ / np.linalg.norm(found.column_factors_, axis=1, keepdims=True)
    assert sorted(ids) == ["Alien", "Heat"] and similarities[0] == pytest.approx(max(V[1] @ V[0], V[1] @ V[2]))
    with pytest.raises(ValueError, match="k must be a positive integer"):
        found.recommend("ann", 0)


def test_ids_that_were_never_seen():
    found = model().fit(TABLE)
    with pytest.raises(ValueError, match="2 of 3 row ids were not in fit, the first row 'eve'"):
        found.predict(["ann", "eve", "fay"], ["Up", "Up", "Up"])
    with pytest.raises(ValueError, match="not in fit, the first column 'Jaws'"):
        found.similar_items("Jaws")
    with pytest.raises(ValueError, match="not in fit, the first row 7"):
        found.recommend(7)
    average = found.predict(["eve", "eve"], ["Up", "Jaws"], unknown="average")
    assert average == pytest.approx([found.mean_ + found.column_bias_[1], found.mean_])
    unseen = pd.DataFrame({"user": ["eve"], "film": ["Jaws"], "stars": [4]})
    assert found.score(unseen) == pytest.approx(-abs(4 - found.mean_))
    with pytest.raises(ValueError, match="not in fit, the first column 'Jaws'"):
        found.transform(unseen)


def test_new_rows_are_folded_in_by_their_ids():
    found = model(regularization=1.0).fit(TABLE)
    new = TABLE.replace({"user": {"ann": "eve"}}).iloc[[2, 0, 1]]
    folded = found.transform(new)
    # As many ratings and the same columns: the row that was solved before the columns' last half-step, solved again.
    np.testing.assert_allclose(folded[1], found.transform(TABLE.iloc[:2])[0], atol=1e-12)
    assert folded.shape == (2, 3)


@pytest.mark.parametrize("how, expected", [("mean", 3), ("sum", 6), ("last", 5)])
def test_duplicates_are_merged_as_said(how, expected):
    ratings = sparse.coo_array(([1.0, 2, 3, 5], ([0, 0, 1, 0], [0, 1, 1, 0])), shape=(2, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = model(1, duplicate_policy=how).fit(ratings)
    assert [str(w.message)[:34] for w in caught] == (["1 rating(s) are duplicates of a ro"] if how == "mean" else [])
    assert found.ratings_.toarray().tolist() == [[expected, 2], [0, 3]]


def test_duplicates_can_be_refused():
    with pytest.raises(
        ValueError, match=r"1 rating\(s\) are duplicates of a row and column, the first at index 0 x 0"
    ):
        model(duplicate_policy="error").fit(pd.concat([TABLE, TABLE.iloc[:1]]))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"stars": [5, np.nan, 4, 4, 0, 3]}, r"row 'ann', column 'Up' \(nan\) is not finite \(1 such entries\)"),
        ({"stars": [5, 2, 4, 4, 0, np.inf]}, r"row 'dan', column 'Heat' \(inf\) is not finite"),
        ({"stars": [5, "two", 4, 4, 0, 3]}, "Column 'stars' of the ratings, index 1: 'two' is not a number"),
        (
            {"user": ["ann", None, "bob", "cat", "cat", "dan"]},
            r"Column 'user' of the ratings has missing ids in 1 row\(s\), the first at index 1",
        ),
        ({"time": 0}, r"must have 3 columns.* Received: columns \['user', 'film', 'stars', 'time'\]"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        model().fit(TABLE.assign(**change))


@pytest.mark.parametrize(
    "ratings, error, message",
    [
        (sparse.coo_array(([1.0, np.nan], ([0, 1], [0, 1])), shape=(2, 2)), ValueError, "row 1, column 1"),
        (np.array([[1, np.inf], [2, 3]]), ValueError, r"row 0, column 1 \(inf\) is not finite"),
        (np.full((3, 3), np.nan), ValueError, "There are no ratings"),
        (np.ones(3), ValueError, r"must have two dimensions. Received: shape \(3,\)"),
        ([["a", "b"]], ValueError, "must be numeric"),
        ("ratings.csv", TypeError, "Received: str"),
    ],
)
def test_what_is_wrong_in_a_matrix_is_named(ratings, error, message):
    with pytest.raises(error, match=message):
        model(1).fit(ratings)


def test_negative_confidence():
    with pytest.raises(ValueError, match=r"row 'bob', column 'Up' \(-1\) is negative \(1 such entries\)"):
        model(feedback="implicit").fit(TABLE.assign(stars=[1, 2, -1, 1, 1, 1]))


def test_implicit_feedback_needs_no_third_column():
    found = model(feedback="implicit").fit(TABLE[["user", "film"]])
    assert found.ratings_.data.tolist() == [1] * 6 and not found.row_bias_.any()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"n_components": 4}, "n_components must be at most 3 for a matrix of 4 x 3. Received: n_components=4"),
        ({"n_components": 0}, "n_components must be a positive integer. Received: n_components=0"),
        ({"max_iter": 2.5}, "max_iter must be a positive integer. Received: max_iter=2.5"),
        (
            {"regularization": -1},
            "regularization must be a nonnegative number or a pair of them. Received: regularization=-1",
        ),
        ({"regularization": (1, 2, 3)}, r"regularization=\(1, 2, 3\)"),
        ({"side_info_weight": "much"}, "side_info_weight='much'"),
        ({"alpha": 0}, "alpha must be a number above 0. Received: alpha=0"),
        ({"solver": "lu"}, "solver must be one of 'cg', 'cholesky'. Received: solver='lu'"),
        ({"feedback": "both"}, "feedback='both'"),
        ({"dtype": "float16"}, "dtype='float16'"),
        ({"validation_fraction": 1}, "validation_fraction=1"),
        ({"validation_fraction": 1e-9}, "holds out 0 of 6 ratings. Training and validation need at least one each"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        model(**settings).fit(TABLE)


def test_empty_rows_and_columns_have_no_factors():
    matrix, mask = low_rank(30, 20)
    mask[4], mask[:, 7] = False, False
    found = model(weighted_regularization=False).fit(hidden(matrix, mask))
    assert not found.row_factors_[4].any() and not found.column_factors_[7].any()
    assert found.predict([4], [7])[0] == found.mean_


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_without_regularization_open_factors_have_least_norm(solver):
    # Two ratings of the first row leave two of its four unknowns open.
    matrix, mask = low_rank(30, 20, known=0.8)
    mask[0] = False
    mask[0, :2] = True
    found = model(3, regularization=0, solver=solver, max_iter=20, tol=0).fit(hidden(matrix, mask))
    values = np.array([entry["objective"] for entry in found.history_])
    assert np.isfinite(values).all() and np.diff(values).max() <= 1e-7 * values[0]
    folded = found.transform(hidden(matrix, mask)[:1])[0]
    design = np.column_stack([found.column_factors_[:2], np.ones(2)])
    target = matrix[0, :2] - found.mean_ - found.column_bias_[:2]
    np.testing.assert_allclose(folded, np.linalg.lstsq(design, target, rcond=None)[0], atol=1e-6)


def test_equations_too_singular_for_the_type():
    ratings = np.outer(np.arange(1.0, 7), np.arange(2.0, 8))
    with pytest.raises(ValueError, match="singular in float32: increase regularization, or use dtype='float64'"):
        model(5, regularization=1e-15, dtype="float32", biases=False, max_iter=50, tol=0).fit(ratings)


def test_features_come_with_ids():
    features = pd.DataFrame(
        {"year": [1.0, 2, 3, 4], "long": [True, False, True, False]}, ["Up", "Heat", "Jaws", "Alien"]
    )
    found = model().fit(TABLE, column_features=features)
    assert found.column_ids_.tolist() == ["Alien", "Up", "Heat", "Jaws"]
    assert found.column_means_.tolist() == [2.5, 0.5]
    same = model().fit(TABLE, column_features=(features.index, sparse.csr_array(features.to_numpy(float))))
    np.testing.assert_allclose(same.column_factors_, found.column_factors_, atol=1e-10)
    assert np.isfinite(found.predict(["ann"], ["Jaws"])).all()
    part = model().fit(TABLE, column_features=features.iloc[:2])
    assert part.column_ids_.tolist() == ["Alien", "Up", "Heat"] and part.column_means_.tolist() == [1.5, 0.5]


def test_a_sparse_matrix_says_what_is_absent():
    stored = sparse.csr_array(np.array([[1.0, 0], [0, 2], [3, 4]]))
    as_missing = np.where(stored.toarray() == 0, np.nan, stored.toarray())
    ratings = hidden(*low_rank(10, 3, known=0.9))
    pairs = [(stored, stored.toarray(), "zero"), (stored, as_missing, "missing")]
    for sparse_one, dense, absent in pairs:
        fits = [model(unobserved=absent).fit(ratings, column_features=part) for part in (sparse_one, dense)]
        np.testing.assert_allclose(fits[0].column_factors_, fits[1].column_factors_, atol=1e-10)


@pytest.mark.parametrize(
    "features, message",
    [
        (
            pd.DataFrame({"genre": ["a", "b", "c"]}, ["Up", "Heat", "Alien"]),
            "Column 'genre' of column_features is not numeric",
        ),
        (
            pd.DataFrame({"year": [1, np.inf, 2]}, ["Up", "Heat", "Alien"]),
            "entry of 'Heat' in column 0 is not finite",
        ),
        (pd.DataFrame({"year": [1, 2]}, ["Up", "Up"]), "column_features has duplicate rows for the id 'Up'"),
        (np.ones((3, 2)), "identify columns by id, so column_features must be a DataFrame"),
        ((["Up"], np.ones((3, 2))), "has 1 ids, but 3 rows"),
        ((["Up"], np.ones(3)), r"column_features must have two dimensions. Received: shape \(3,\)"),
        ((["Up"], sparse.csr_array([[np.nan]])), "a sparse matrix omits them"),
    ],
)
def test_what_is_wrong_in_features_is_named(features, message):
    with pytest.raises(ValueError, match=message):
        model().fit(TABLE, column_features=features)


def test_wrong_shapes():
    ratings = hidden(*low_rank(10, 8))
    with pytest.raises(ValueError, match="row_features has 9 rows, but the ratings have 10 rows"):
        model().fit(ratings, row_features=np.ones((9, 2)))
    found = model().fit(ratings, row_features=np.random.default_rng(0).standard_normal((10, 2)))
    with pytest.raises(ValueError, match="row_features has 3 columns, but 2 in fit"):
        found.transform(row_features=np.ones((4, 3)))
    with pytest.raises(ValueError, match="row_features has 3 columns, but 2 in fit"):
        found.partial_fit(ratings, row_features=np.ones((10, 3)))
    with pytest.raises(ValueError, match="column_features was not passed to fit"):
        found.transform_columns(column_features=np.ones((4, 3)))
    with pytest.raises(ValueError, match="Pass X, row_features, or both"):
        found.transform()
    with pytest.raises(ValueError, match="2 rows for 1 columns"):
        found.predict([0, 1], [0])
