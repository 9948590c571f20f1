"""Helpers of the visual recommender: splits, chance, item-kNN, and training that keeps the best ranking."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

FOLDER = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="module")
def helpers():
    # It imports the helpers of tutorial 06.
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("_visual_recommending", FOLDER / "_visual_recommending.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(FOLDER))
    return module


@pytest.fixture
def interactions(helpers):
    """Two users of ten films each, whose last two are the newest; five films nobody watched."""
    rows = [(user, f"film {film}", film) for user in ("ann", "bob") for film in range(user == "bob", 10)]
    table = pd.DataFrame(rows, columns=["user", "item", "time"])
    return helpers.Interactions(table, pd.DataFrame({"item": [f"film {i}" for i in range(15)]}))


def test_statistics_come_from_the_training_part_alone(interactions):
    assert interactions.counts.tolist() == [1, *[2] * 6, *[0] * 8]
    assert interactions.new.tolist() == [False] * 7 + [True] * 8
    assert {name: matrix.nnz for name, matrix in interactions.splits.items()} == {
        "train": 13,
        "validation": 2,
        "test": 4,
    }
    assert np.bincount(interactions.pairs[:, 0]).tolist() == [7, 6]
    assert interactions.excluded("validation").sum() == 13 and interactions.excluded("test").sum() == 15


def test_chance_is_what_random_rankings_have_on_average(interactions, helpers, monkeypatch):
    monkeypatch.setattr(helpers, "K", 3)
    random = np.random.default_rng(0)
    for new in (False, True):
        found = [interactions.score(random.random((2, 15)), "test", new) for _ in range(600)]
        means = np.mean([[scores.recall.mean(), scores.ndcg.mean()] for scores in found], axis=0)
        np.testing.assert_allclose(interactions.chance("test", new), means, atol=0.03)


def test_item_knn(helpers):
    train = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]], bool))
    # Cosines: of items 0 and 1 2 / 2, of 0 and 2 as of 1 and 2 1 / 2.
    found = helpers.item_knn(train, num_neighbors=3, shrinkage=0)
    np.testing.assert_allclose(found, [[1, 1, 1], [1.5, 1.5, 1], [0.5, 0.5, 0]], atol=1e-6)
    nearest = helpers.item_knn(train, num_neighbors=1, shrinkage=2)
    np.testing.assert_allclose(nearest[0, :2], [0.5, 0.5], atol=1e-6)


def test_factorizations_rank_new_items_by_their_content(helpers):
    random = np.random.default_rng(0)
    kind = np.arange(40) % 2
    train = sparse.csr_array(random.random((30, 40)) < np.where(kind == np.arange(30)[:, None] % 2, 0.6, 0.05))
    kept = train.toarray() * (np.arange(40) < 36)
    views = {"genres": np.eye(2)[kind] - 0.5, "poster": random.normal(size=(40, 3))}
    features = np.concatenate(list(views.values()), axis=1)
    for scores in (
        helpers.fit_jmf(sparse.csr_array(kept), views, 4, weight=10.0),
        helpers.fit_cmf(sparse.csr_array(kept), 4, features=features),
    ):
        assert (scores[::2, 36::2].mean() > scores[::2, 37::2].mean()) and np.isfinite(scores).all()
        assert scores[1::2, 37::2].mean() > scores[1::2, 36::2].mean()


def test_the_best_weights_are_kept_and_training_stops(interactions, helpers):
    class Model:
        weights, stop_training = 0, False

        def get_weights(self):
            return self.weights

        def set_weights(self, weights):
            self.weights = weights

    relevant = interactions.splits["validation"].toarray()
    quality, noise = [0, 0.5, 2, 0.5, 0.3, 0.8], np.random.default_rng(0).random(relevant.shape) * ~relevant
    model = Model()
    keep = helpers.KeepBest(lambda: relevant * quality[model.weights] + noise, interactions, every=1)
    keep.set_model(model)
    for epoch in range(6):
        model.weights = epoch
        keep.on_epoch_end(epoch)
        if model.stop_training:
            break
    keep.on_train_end()
    assert (epoch, model.weights) == (4, 2) and list(keep.curve) == [1, 2, 3, 4, 5]


def test_drawn_films_are_new_at_the_end(helpers, tmp_path):
    table, films, skipped = helpers.drawn_posters(tmp_path, newest=30)
    assert skipped.total == 0 and list(films.columns) == ["item", "poster", "title", "genres"]
    found = helpers.Interactions(table, films)
    assert found.new[120:].sum() >= 10 and found.new[:120].sum() == 0
    assert set(films["genres"]) == {"ghosts", "jokes", "robots", "songs"} and Path(films["poster"][0]).exists()
