"""Spark's estimator: what it cannot do is refused; where pyspark and Java are, it finds what ours finds."""

import importlib.util
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from planted import hidden, low_rank
from scipy import sparse

from kerasfusion.factorization import CollectiveMatrixFactorization, SparkMatrixFactorization

missing = importlib.util.find_spec("pyspark") is None or shutil.which("java") is None


def model(make=SparkMatrixFactorization, **settings):
    return make(4, random_state=0, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regularization": (0.1, 0.2)}, "must be a single number"),
        ({"feedback": "guessed"}, "feedback='guessed'"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"alpha": 0}, "alpha=0"),
    ],
)
def test_parameters_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        model(**settings).fit(hidden(*low_rank()))


def test_it_has_only_what_spark_can_do():
    absent = {"weighted_regularization", "side_info_weight", "validation_fraction", "tol", "dtype", "callback"}
    assert not absent & model().get_params().keys() and not hasattr(model(), "partial_fit")
    with pytest.raises(TypeError, match="row_features"):
        model().fit(hidden(*low_rank()), row_features=np.ones((60, 2)))


def test_a_missing_extra_is_named(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[spark\]'"):
        model().fit(hidden(*low_rank()))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    with pytest.raises(ValueError, match="needs an active session"):
        model().fit(hidden(*low_rank()))
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.sql.shuffle.partitions", "2")
    with builder.getOrCreate() as session:
        with pytest.raises(ValueError, match=r"More than 10 iterations .*setCheckpointDir"):
            model(max_iter=11).fit(hidden(*low_rank()))
        session.sparkContext.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))
        yield session


def errors(found, matrix, mask):
    """Root mean squared errors on the known entries and on the others."""
    rows, columns = np.nonzero(np.ones_like(matrix))
    error = (found.predict(rows, columns).reshape(matrix.shape) - matrix) ** 2
    return np.sqrt([error[mask].mean(), error[~mask].mean()])


@pytest.mark.spark
# Of pyspark 4.3, which the ratings do not reach by way of pandas.
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.skipif(missing, reason="needs pyspark and Java: pip install 'kerasfusion[spark]'")
class TestWithSpark:
    def test_errors_are_those_of_our_engine(self, session):
        # More iterations than without checkpoints.
        matrix, mask = low_rank(80, 60, noise=0.3)
        settings = {"biases": False, "regularization": 0.02, "max_iter": 11}
        theirs = model(**settings).fit(hidden(matrix, mask))
        ours = model(CollectiveMatrixFactorization, solver="cholesky", tol=0, **settings).fit(hidden(matrix, mask))
        np.testing.assert_allclose(errors(theirs, matrix, mask), errors(ours, matrix, mask), rtol=0.03)

    def test_factors_are_of_what_the_offsets_leave(self, session):
        matrix, mask = low_rank(80, 60, noise=0.3)
        settings = {"regularization": 0.02, "max_iter": 8}
        theirs = model(**settings).fit(hidden(matrix, mask))
        offsets = theirs.row_bias_[:, None] + theirs.column_bias_ + theirs.mean_
        # Those of the columns come last: regularized means of what the rows' leave.
        left = hidden(matrix - theirs.row_bias_[:, None] - theirs.mean_, mask)
        np.testing.assert_allclose(theirs.column_bias_, np.nanmean(left, axis=0) / 1.02, atol=1e-4)
        ours = model(CollectiveMatrixFactorization, solver="cholesky", tol=0, biases=False, **settings).fit(
            hidden(matrix - offsets, mask)
        )
        expected = errors(ours, matrix - offsets, mask)
        np.testing.assert_allclose(errors(theirs, matrix, mask), expected, rtol=0.03)

    def test_nonnegative_factors(self, session):
        random = np.random.default_rng(0)
        matrix = random.uniform(0, 1, (60, 3)) @ random.uniform(0, 1, (3, 40))
        mask = random.random(matrix.shape) < 0.6
        found = model(nonnegative=True, biases=False, regularization=1e-3, max_iter=10)
        found.fit(hidden(matrix, mask))
        assert found.row_factors_.min() >= 0 and found.column_factors_.min() >= 0
        assert errors(found, matrix, mask).max() < 0.2 * matrix.std()

    def test_implicit_feedback_ranks_as_ours(self, session):
        random = np.random.default_rng(0)
        groups = np.equal.outer(np.arange(80) % 4, np.arange(60) % 4)
        counts = np.where(random.random((80, 60)) < np.where(groups, 0.5, 0.02), random.integers(1, 5, (80, 60)), 0)
        held = (random.random(counts.shape) < 0.2) & (counts > 0)
        train, test = sparse.coo_array(np.where(held, 0, counts)), sparse.coo_array(np.where(held, counts, 0))
        settings = {"feedback": "implicit", "alpha": 5.0, "max_iter": 8}
        makers = (SparkMatrixFactorization, CollectiveMatrixFactorization)
        scores = [model(make, **settings).fit(train).score(test) for make in makers]
        assert scores[0] > 0.8 and abs(scores[0] - scores[1]) < 0.02

    def test_ids_recommendations_and_new_rows(self, session):
        matrix, mask = low_rank(40, 30)
        rows, columns = np.nonzero(mask)
        table = pd.DataFrame(
            {"user": [f"u{i}" for i in rows], "item": [f"i{j}" for j in columns], "stars": matrix[mask]}
        )
        found = model(regularization=0.02, max_iter=8).fit(table)
        ids, scores = found.recommend("u3", 5)
        assert not set(ids) & set(table["item"][table["user"] == "u3"]) and (np.diff(scores) <= 0).all()
        # A row that is folded in learns its offset with its factors, so it differs from its own.
        folded = found.transform(table[table["user"] == "u3"].replace("u3", "new"))
        own = np.append(found.row_factors_[3], found.row_bias_[3])
        assert np.corrcoef(folded[0], own)[0, 1] > 0.8
