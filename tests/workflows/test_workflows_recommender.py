"""Matrix factorization in a SavedModel, asked through TensorFlow's C API, and the tower for new items."""

import numpy as np
import pandas as pd
import pytest

import kerasfusion as kf
from kerasfusion.data import DataError
from kerasfusion.factorization import CollectiveMatrixFactorization, GivenFactors
from kerasfusion.serving import CApiSession, ServingError
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.workflows import export_recommender, train_item_tower

# Text alone; the tutorial's quick mode has images too.
SETTINGS = {"id_column": "film", "text": "plot", "units": 16, "dropout": 0.0}
CONFIG = kf.training.TrainingConfig(epochs=15, batch_size=16, learning_rate=3e-2, patience=None)


@pytest.fixture(scope="module")
def films():
    """Ratings by taste in genres, the table of what was rated, and the factors."""
    random = np.random.default_rng(0)
    genres = np.arange(60) % 3
    plots = [f"{('ghosts', 'jokes', 'robots')[genre]} in part {i % 7}" for i, genre in enumerate(genres)]
    table = pd.DataFrame({"film": [f"film {i}" for i in range(60)], "plot": plots})
    stars = 3 + random.normal(size=(40, 3))[:, genres] + 0.1 * random.normal(size=(40, 60))
    rows, columns = np.nonzero(random.random(stars.shape) < 0.5)
    # The last film is not rated by anybody.
    rows, columns = rows[columns < 59], columns[columns < 59]
    ratings = pd.DataFrame({"user": rows, "film": table["film"].to_numpy()[columns], "stars": stars[rows, columns]})
    # One who has seen nearly all.
    seen = pd.DataFrame({"user": 99, "film": table["film"][:57], "stars": 3.0})
    ratings = pd.concat([ratings, seen], ignore_index=True)
    return ratings, table, CollectiveMatrixFactorization(3, random_state=0).fit(ratings)


@pytest.fixture(scope="module")
def served(films, tmp_path_factory):
    """The tower, the version and a session of it."""
    _, table, factors = films
    folder = tmp_path_factory.mktemp("served")
    tower = train_item_tower(factors, table, folder / "tower", config=CONFIG, **SETTINGS)
    version = export_recommender(factors, folder / "films", k=5, tower=tower.path)
    with CApiSession(version) as session:
        yield tower, version, session


def test_it_is_verified_and_says_what_it_holds(served):
    _, version, session = served
    report = kf.verify(version)
    assert report.ok, str(report)
    assert read_metadata(version)["recommender"] == {"users": 41, "items": 59, "factors": 3, "k": 5}
    assert set(session.signatures) == {"recommend", "serving_default", "similar_items", "embed_item", "score_item"}


def test_users_get_what_the_estimator_recommends(films, served):
    *_, factors = films
    found = served[2].run("recommend", {"user": ["3", "17", "nobody", "99"]})
    assert found["known"].tolist() == [True, True, False, True]
    for row, user in ((0, 3), (1, 17)):
        ids, scores = factors.recommend(user, 5)
        assert [name.decode() for name in found["ids"][row]] == ids.tolist()
        np.testing.assert_allclose(found["scores"][row], scores, atol=1e-5)
    # Somebody unknown: the mean of what is predicted for all.
    users, items = np.meshgrid(factors.row_ids_, factors.column_ids_, indexing="ij")
    mean = factors.predict(users.ravel(), items.ravel()).reshape(users.shape).mean(axis=0)
    assert found["ids"][2, 0].decode() == factors.column_ids_[mean.argmax()]
    np.testing.assert_allclose(found["scores"][2], np.sort(mean)[::-1][:5], atol=1e-5)
    # One has two films left.
    assert set(found["ids"][3]) == {b"film 57", b"film 58", b""} and found["scores"][3, 2:].tolist() == [0] * 3


def test_items_get_what_the_estimator_finds_alike(films, served):
    *_, factors = films
    found = served[2].run("similar_items", {"item": ["film 4", "film 500"]})
    ids, cosines = factors.similar_items("film 4", 5)
    assert [name.decode() for name in found["ids"][0]] == ids.tolist()
    np.testing.assert_allclose(found["scores"][0], cosines, atol=1e-5)
    assert found["known"].tolist() == [True, False]
    assert found["ids"][1].tolist() == [b""] * 5 and not found["scores"][1].any()


def test_a_new_item_gets_factors_and_scores_from_its_content(films, served):
    _, table, factors = films
    tower, _, session = served
    assert tower.metrics["items"] == 6 and tower.metrics["r2"] > 0.6
    new = table.iloc[[59, 57]]
    item = session.run("embed_item", {"text": new["plot"].tolist()})
    predicted = tower.predict(new)
    assert predicted.columns.tolist() == ["factor 0", "factor 1", "factor 2", "bias"]
    np.testing.assert_allclose(np.column_stack([item["factors"], item["bias"]]), predicted, atol=1e-5)
    found = session.run("score_item", {"user": ["3", "nobody"], "text": new["plot"].tolist()})
    place = factors.row_ids_.get_loc(3)
    users = np.stack([factors.row_factors_[place], factors.row_factors_.mean(axis=0)])
    offsets = np.array([factors.row_bias_[place], factors.row_bias_.mean()]) + factors.mean_
    expected = (users * item["factors"]).sum(axis=1) + item["bias"] + offsets
    np.testing.assert_allclose(found["score"], expected, atol=1e-5)
    assert found["known"].tolist() == [True, False]
    with pytest.raises(ServingError, match="differ in their number"):
        session.run("score_item", {"user": ["3"], "text": new["plot"].tolist()})


def test_a_tower_belongs_to_its_factors(films, served, tmp_path):
    ratings, table, factors = films
    tower, _, _ = served
    other = CollectiveMatrixFactorization(3, random_state=1).fit(ratings)
    with pytest.raises(ValueError, match="not trained to these factors"):
        export_recommender(other, tmp_path, tower=tower)
    again = train_item_tower(factors, table, tower.path, config=CONFIG, resume=True, **SETTINGS)
    assert again.metrics == tower.metrics
    with pytest.raises(ValueError, match="other rows, labels"):
        train_item_tower(other, table, tower.path, config=CONFIG, resume=True, **SETTINGS)


def test_a_table_without_the_rated_items_is_refused(films, tmp_path):
    _, table, factors = films
    with pytest.raises(DataError, match="no column 'movie'"):
        train_item_tower(factors, table, tmp_path / "run", id_column="movie")
    with pytest.raises(DataError, match=r"none of 60 ids has ratings.*for example 'film"):
        train_item_tower(factors, table.assign(film=range(60)), tmp_path / "run", id_column="film")


def test_ids_must_differ_as_strings(tmp_path):
    ratings = np.arange(12.0).reshape(4, 3)
    for names, message in (([1, "1", 2, 3], "two row ids are written alike, '1'"), (["a", "", "b", "c"], "empty")):
        table = pd.DataFrame(ratings, index=names).melt(ignore_index=False).reset_index()
        factors = CollectiveMatrixFactorization(2, max_iter=1).fit(table)
        with pytest.raises(ValueError, match=message):
            export_recommender(factors, tmp_path / "served")
    with pytest.raises(ValueError, match="k=0"):
        export_recommender(CollectiveMatrixFactorization(2, max_iter=1).fit(ratings), tmp_path / "served", k=0)


@pytest.mark.slow
def test_factors_of_another_model_are_served(films, tmp_path):
    ratings, _, other = films
    bias = np.linspace(-1, 1, len(other.column_ids_))
    ids = {"row_ids": other.row_ids_, "column_ids": other.column_ids_}
    factors = GivenFactors(other.row_factors_, other.column_factors_, bias, **ids).fit(ratings[["user", "film"]])
    version = export_recommender(factors, tmp_path / "films", k=4)
    assert kf.verify(version).ok
    with CApiSession(version) as session:
        found = session.run("recommend", {"user": ["3", "nobody"]})
    ids, scores = factors.recommend(3, 4)
    assert [name.decode() for name in found["ids"][0]] == ids.tolist() and found["known"].tolist() == [True, False]
    np.testing.assert_allclose(found["scores"][0], scores, atol=1e-5)
