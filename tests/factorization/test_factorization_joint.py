import numpy as np
import pytest
from planted import views, without_some
from scipy import sparse
from sklearn.base import clone

from kerasfusion.factorization import (
    CollectiveMatrixFactorization,
    ConcatenatedPCA,
    JointMatrixFactorization,
    RidgeCCA,
    cross_view_recall,
    grid_search,
    recall_at_k,
)


def halves(n=400, **settings):
    made = views(n + 300, **settings)
    return ({name: m[:n] for name, m in made.items()}, {name: m[n:] for name, m in made.items()})


def small(n=30, seed=0):
    random = np.random.default_rng(seed)
    Z = random.standard_normal((n, 3))
    return {
        name: Z @ random.standard_normal((3, F)) + 0.5 * random.standard_normal((n, F))
        for name, F in (("a", 6), ("b", 8), ("c", 5))
    }


def objective(found, views, weights, strengths):
    """By its definition, with the private factors of the last half-step solved anew: they are not kept."""
    total = strengths[0] * np.square(found.factors_).sum()
    for name, matrix in views.items():
        known = ~np.isnan(matrix)
        error = matrix - found.means_[name] - found.factors_ @ found.loadings_[name].T
        total += weights[name] * np.square(error)[known].sum()
        total += weights[name] * strengths[1] * np.square(found.loadings_[name]).sum()
    return total


def test_complete_views_have_the_shrunken_singular_values():
    made, weights = small(), {"a": 1.0, "b": 4.0, "c": 1.0}
    X = np.hstack([np.sqrt(weights[name]) * (m - m.mean(axis=0)) for name, m in made.items()])
    left, values, right = np.linalg.svd(X, full_matrices=False)
    expected = (left * np.maximum(values - np.sqrt(0.5 * 2), 0))[:, :4] @ right[:4]
    found = JointMatrixFactorization(4, regularization=(0.5, 2.0), weights=weights).fit(made)
    fitted = np.hstack([np.sqrt(weights[n]) * (found.reconstruct(found.factors_, n) - found.means_[n]) for n in made])
    np.testing.assert_allclose(fitted, expected, rtol=0, atol=1e-10)
    assert found.history_[0]["objective"] == pytest.approx(objective(found, made, weights, (0.5, 2)), rel=1e-10)
    wide = JointMatrixFactorization(4, regularization=(0.5, 2.0)).fit({name: m[:10] for name, m in made.items()})
    X = np.hstack([m[:10] - m[:10].mean(axis=0) for m in made.values()])
    left, values, right = np.linalg.svd(X, full_matrices=False)
    fitted = np.hstack([wide.factors_ @ part.T for part in wide.loadings_.values()])
    np.testing.assert_allclose(fitted, (left[:, :4] * (values[:4] - 1)) @ right[:4], rtol=0, atol=1e-10)


def test_joint_is_collective_factorization_of_the_views_side_by_side():
    made = small()
    X = np.hstack(list(made.values()))
    settings = {"regularization": (0.5, 2.0), "tol": 0, "max_iter": 300, "random_state": 0}
    joint = JointMatrixFactorization(2, center=False, **settings).fit(made)
    collective = CollectiveMatrixFactorization(
        2, biases=False, weighted_regularization=False, solver="cholesky", dtype="float64", **settings
    )
    collective.fit(X)
    fitted = np.hstack([joint.factors_ @ part.T for part in joint.loadings_.values()])
    np.testing.assert_allclose(fitted, collective.row_factors_ @ collective.column_factors_.T, rtol=0, atol=1e-8)


def test_alternation_reaches_the_closed_form():
    made = small()
    exact = JointMatrixFactorization(3, regularization=(0.5, 2.0)).fit(made)
    listed = {name: sparse.csr_array(matrix) for name, matrix in made.items()}
    settings = {"regularization": (0.5, 2.0), "max_iter": 200, "tol": 0}
    for absent in ("zero", "missing"):
        found = JointMatrixFactorization(3, unobserved=absent, **settings).fit(listed)
        for name in made:
            fitted = found.reconstruct(found.factors_, name)
            np.testing.assert_allclose(fitted, exact.reconstruct(exact.factors_, name), rtol=0, atol=1e-7)


@pytest.mark.parametrize("private", [0, {"a": 2, "b": 1}])
@pytest.mark.parametrize("missing", ["views", "entries", "sparse"])
def test_the_objective_is_as_defined_and_never_rises(private, missing):
    made, weights = without_some(small()), {"a": 1.0, "b": 3.0, "c": 1.0}
    if missing == "entries":
        holes = np.random.default_rng(1).random(made["a"].shape) < 0.2
        made["a"] = np.where(holes, np.nan, made["a"])
    given = dict(made)
    if missing == "sparse":
        given["c"] = sparse.csr_array(np.nan_to_num(made["c"]))
        made["c"] = np.nan_to_num(made["c"])
    found = JointMatrixFactorization(
        3, n_private_components=private, weights=weights, regularization=(0.5, 0.2), tol=0
    ).fit(given)
    values = np.array([entry["objective"] for entry in found.history_])
    assert len(values) == 100 and np.diff(values).max() <= 1e-9 * values[0]
    if not private:
        assert values[-1] == pytest.approx(objective(found, made, weights, (0.5, 0.2)), rel=1e-9)
    else:
        assert values[-1] < objective(found, made, weights, (0.5, 0.2))


def test_transform_equals_the_regression():
    made = without_some(small())
    found = JointMatrixFactorization(3, n_private_components=1, regularization=(0.7, 0.2), weights={"b": 2.0}).fit(
        made
    )
    got = found.transform({"b": made["b"], "a": made["a"]})
    for i in range(30):
        # Shared factors, then a's own, then b's.
        A, b = [np.sqrt(0.7) * np.eye(5)], [np.zeros(5)]
        for place, (name, root) in enumerate((("a", 1), ("b", np.sqrt(2)))):
            if not np.isnan(made[name][i]).any():
                own = np.zeros((made[name].shape[1], 2))
                own[:, place] = found.private_loadings_[name][:, 0]
                A.append(root * np.hstack([found.loadings_[name], own]))
                b.append(root * (made[name][i] - found.means_[name]))
        expected = np.linalg.lstsq(np.vstack(A), np.concatenate(b), rcond=None)[0][:3]
        np.testing.assert_allclose(got[i], expected, atol=1e-9)


@pytest.fixture(scope="module")
def recalls():
    """Recall of held-out items, complete and with 60 % of the rows lacking a view, by model."""
    train, test = halves()
    models = {
        "pca": ConcatenatedPCA(8),
        "cca": RidgeCCA(8, ridge=0.01),
        "plain": JointMatrixFactorization(8),
        "private": JointMatrixFactorization(8, n_private_components=6),
        "whitened": JointMatrixFactorization(8, whiten=0.01),
    }
    return {
        name: [cross_view_recall(model.fit(part), test) for part in (train, without_some(train))]
        for name, model in models.items()
    }


def test_private_factors_find_what_the_views_share(recalls):
    assert recalls["plain"][0] < 0.05 and recalls["pca"][0] < 0.05
    assert recalls["private"][0] >= recalls["cca"][0] > 0.3
    assert recalls["private"][1] >= recalls["cca"][1] > 0.1


def test_whitened_views_do_as_canonical_correlations(recalls):
    assert recalls["whitened"][0] == pytest.approx(recalls["cca"][0], abs=0.02)
    assert recalls["whitened"][1] > 10 * recalls["pca"][1]


def test_reconstruct_another_view():
    train, test = halves(noise=0.1, own=(1.0, 1.0))
    found = JointMatrixFactorization(8, n_private_components=6).fit(train)
    for view, other in (("image", "text"), ("text", "image")):
        guess = found.reconstruct(found.transform({other: test[other]}), view)
        unexplained = np.square(guess - test[view]).mean() / np.square(found.means_[view] - test[view]).mean()
        # 8 of 14 equal parts of the variance are shared; the other view tells nothing of the rest.
        assert 6 / 14 - 0.1 < unexplained < 6 / 14 + 0.1
    whitened = JointMatrixFactorization(60, whiten=1e-6, regularization=1e-9).fit({"text": train["text"]})
    back = whitened.reconstruct(whitened.factors_, "text")
    np.testing.assert_allclose(back, train["text"], atol=1e-4)


def test_partial_fit_continues():
    train, test = halves(900)
    parts = [{name: m[start : start + 300] for name, m in train.items()} for start in (0, 300, 600)]
    found = JointMatrixFactorization(8, n_private_components=6).partial_fit(parts[0])
    before = found.score(test)
    for part in parts[1:]:
        found.partial_fit(part)
    assert found.factors_.shape == (300, 8) and found.score(test) > before
    holes = {"text": np.where(np.arange(60) == 3, np.nan, parts[0]["text"])}
    with pytest.raises(ValueError, match="Single entries of view 'text', or of a view in fit, are missing"):
        found.partial_fit(holes)


def test_choice_by_held_out_recall():
    train, test = halves(300, noise=1.0)
    grid = {"n_private_components": [0, 3, 6]}
    best, trials = grid_search(JointMatrixFactorization(8), without_some(train, 0.2), grid, random_state=0)
    assert best.n_private_components == 6 and [trial["n_private_components"] for trial in trials] == [0, 3, 6]
    assert best.score(test) > 0.5 and len(best.factors_) == 300


def test_baselines_equal_the_textbook():
    made = {name: small()[name] for name in ("a", "b")}
    cca = RidgeCCA(1, ridge=1e-9).fit(made)
    first, second = (cca.transform({name: matrix})[:, 0] for name, matrix in made.items())
    # The first canonical correlation: the largest singular value between the views' orthonormal bases.
    bases = [np.linalg.qr(m - m.mean(axis=0))[0] for m in made.values()]
    largest = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)[0]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(largest, abs=1e-6)
    pca = ConcatenatedPCA(11).fit(made)
    assert np.allclose(np.cov(pca.transform({"a": made["a"]}).T).shape, 11)
    half = without_some(made, 0.5)
    assert np.isfinite(RidgeCCA(2).fit(half).transform(half)).all()


def test_paired_recall():
    items = np.eye(4)
    assert recall_at_k(items, items[[0, 1, 3, 2]]) == 0.5
    assert recall_at_k(items, np.ones((4, 4))) == 0.0 and recall_at_k(items, np.ones((4, 4)), k=4) == 1.0


def test_a_second_fit_starts_anew():
    made = small()
    again = JointMatrixFactorization(2).fit({"a": made["a"] + 5, "z": made["b"]}).fit(made)
    np.testing.assert_array_equal(again.factors_, JointMatrixFactorization(2).fit(made).factors_)


def test_settings_names_and_early_stop(capsys):
    found = JointMatrixFactorization(2, n_private_components=1, verbose=True, random_state=0).fit(
        list(small().values())
    )
    assert list(found.loadings_) == [0, 1, 2] and found.transform([small()["a"]]).shape == (30, 2)
    assert len(found.history_) == capsys.readouterr().out.count("\n")
    assert clone(found).get_params()["n_private_components"] == 1
    stopped = JointMatrixFactorization(2, n_private_components=1, callback=lambda entry: entry["iteration"] == 2).fit(
        small()
    )
    assert [entry["half"] for entry in stopped.history_] == ["factors", "loadings"] * 2
    single = JointMatrixFactorization(2, dtype="float32", random_state=0).fit(without_some(small()))
    double = JointMatrixFactorization(2, random_state=0).fit(without_some(small()))
    assert single.factors_.dtype == np.float32
    np.testing.assert_allclose(np.abs(single.factors_), np.abs(double.factors_), atol=0.02)


@pytest.mark.parametrize(
    "change, settings, message",
    [
        ({"b": np.ones((29, 8))}, {}, "View 'b' has 29 rows, but the others have 30"),
        ({"b": np.ones(30)}, {}, r"View 'b' must have shape .* Received: \(30,\)"),
        ({"b": np.full((30, 8), np.nan)}, {}, "View 'b' is missing in all rows"),
        ({"b": np.full((30, 8), np.inf)}, {}, r"View 'b', row 0, column 0 is not finite \(240 such entries\)"),
        ({"b": sparse.csr_array([[np.nan]] * 30)}, {}, "View 'b', row 0, column 0 is not finite"),
        ({"b": np.full((30, 8), "x")}, {}, "View 'b' must be numeric"),
        (
            {},
            {"n_components": 20},
            "n_components must be at most 19 for 30 items with 19 features. Received: n_components=20",
        ),
        (
            {},
            {"n_private_components": 6},
            "n_private_components must be from 0 to 5 for view 'a'. Received: n_private_components=6",
        ),
        (
            {},
            {"n_private_components": {"d": 1}},
            r"n_private_components names the view 'd', but the views are \['a', 'b', 'c'\]",
        ),
        ({}, {"weights": {"a": 0}}, r"weights\['a'\] must be a number above 0. Received: 0"),
        ({}, {"regularization": -1}, "regularization=-1"),
        ({}, {"whiten": 0}, "whiten must be None or a number above 0. Received: whiten=0"),
        ({"b": sparse.csr_array(np.eye(30))}, {"whiten": 0.1}, "View 'b' is sparse or has single missing entries"),
        ({"b": np.ones((30, 8))}, {"whiten": 0.1}, "View 'b' is constant"),
    ],
)
def test_what_is_wrong_is_named(change, settings, message):
    with pytest.raises(ValueError, match=message):
        JointMatrixFactorization(**{"n_components": 2, **settings}).fit({**small(), **change})


def test_what_is_wrong_after_the_fit_is_named():
    found = JointMatrixFactorization(2).fit(small())
    with pytest.raises(ValueError, match=r"View 'd' was not in fit. Its views are \['a', 'b', 'c'\]"):
        found.transform({"d": small()["a"]})
    with pytest.raises(ValueError, match="View 'a' has 8 features, but 6 in fit"):
        found.transform({"a": small()["b"]})
    with pytest.raises(ValueError, match="View 'd' was not in fit"):
        found.reconstruct(found.factors_, "d")
    with pytest.raises(ValueError, match=r"factors must have shape \(n, 2\). Received: shape \(30, 1\)"):
        found.reconstruct(found.factors_[:, :1], "a")
    with pytest.raises(ValueError, match="Recall needs items with two views"):
        found.score({"a": small()["a"]})
    with pytest.raises(ValueError, match=r"present\['a'\] must be bool \(30,\). Received: bool \(2,\)"):
        found.transform({"a": small()["a"]}, present={"a": np.ones(2, bool)})
    nothing = found.transform({"a": small()["a"]}, present={"a": np.zeros(30, bool)})
    assert nothing.shape == (30, 2) and not nothing.any()
    with pytest.raises(TypeError, match="Received: ndarray"):
        found.transform(np.ones((2, 6)))
    with pytest.raises(
        ValueError,
        match="n_components must be from 1 to 19, because 30 items have all views",
    ):
        RidgeCCA(40).fit(small())
    hole = np.where(np.eye(30, 6) == 1, np.nan, small()["a"])
    for other in (JointMatrixFactorization(2, whiten=0.1), RidgeCCA(2)):
        with pytest.raises(ValueError, match="View 'a' is sparse or has single missing entries"):
            other.fit(small()).transform({"a": hole})
    with pytest.raises(ValueError, match="ConcatenatedPCA supports neither"):
        ConcatenatedPCA(2).fit({"a": sparse.csr_array(np.eye(5))})
