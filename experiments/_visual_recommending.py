"""Recommending from posters: read or draw films, baselines that count, training that keeps the best ranking."""

import keras
import numpy as np
import pandas as pd
from _recommending import draw_films
from matplotlib.figure import Figure
from PIL import Image
from scipy import sparse
from sklearn.decomposition import PCA

import kerasfusion as kf
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.factorization import CollectiveMatrixFactorization, JointMatrixFactorization
from kerasfusion.schema import Schema, Task

K = 20


def movielens_posters(folder):
    """Read `movielens_latest_small` and `ml_posters`.

    The columns `n_ratings` and `mean_rating` of the films count the ratings of the test split too: they are dropped.

    Returns:
        tuple: interactions (`user`, `item`, `time`), films (`item`, `poster`, `title`, `genres`), `SkippedRows`.
    """
    films = pd.read_json(folder / "ml_posters" / "data.jsonl", lines=True).rename(columns={"movieId": "item"})
    films["poster"] = [str((folder / "ml_posters" / name).resolve()) for name in films["image"]]
    films["genres"] = films["genres"].str.join(" ")
    films = films[["item", "poster", "title", "genres"]]
    columns = {"user": "userId", "item": "movieId", "time": "timestamp"}
    path = folder / "movielens_latest_small" / "ratings.csv"
    interactions, skipped = kf.data.read_interactions(path, **columns, items=films["item"])
    return interactions, films, skipped


def drawn_posters(folder, newest=30):
    """The same for drawn films: users watch what they like, and the newest films last."""
    ratings, films, _ = draw_films(folder)
    new = ratings["film"].str.split().str[1].astype(int) >= len(films) - newest
    ratings["time"] = np.random.default_rng(0).random(len(ratings)) + new
    films["poster"] = [str((folder / name).resolve()) for name in films["poster"]]
    films = films.rename(columns={"film": "item", "about": "title"})
    films["genres"] = films["title"].str.split(",").str[0]
    liked = ratings[ratings["stars"] > 3]
    interactions, skipped = kf.data.read_interactions(
        liked, user="user", item="film", time="time", items=films["item"]
    )
    return interactions, films, skipped


class Interactions:
    """Interactions as numbers, split by time.

    Args:
        table: What `kf.data.read_interactions` returned.
        films: DataFrame with the column `item`: all items, in order.

    Attributes:
        user_ids, item_ids: `pandas.Index`.
        pairs: int `(n, 2)`, user and item of each training interaction.
        splits: dict split -> bool csr_array `(users, items)`.
        counts: int `(items,)`, training interactions of each item. All statistics of items come from it.
        new: bool `(items,)`, items without a training interaction.
    """

    def __init__(self, table, films):
        self.user_ids, self.item_ids = pd.Index(table["user"].unique()), pd.Index(films["item"])
        self.table = table.assign(split=kf.data.split_by_time(table))
        users, items = self.user_ids.get_indexer(table["user"]), self.item_ids.get_indexer(table["item"])
        shape = len(self.user_ids), len(self.item_ids)
        self.splits = {
            name: sparse.csr_array((np.ones(len(rows), bool), (users[rows], items[rows])), shape=shape)
            for name, rows in self.table.reset_index().groupby("split").groups.items()
        }
        train = (self.table["split"] == "train").to_numpy()
        self.pairs = np.column_stack([users, items])[train]
        self.counts = np.bincount(self.pairs[:, 1], minlength=shape[1])
        self.new = self.counts == 0

    def excluded(self, on):
        """Bool `(users, items)`: what a user has an interaction with before the split `on` begins."""
        known = self.splits["train"].toarray()
        return known | self.splits["validation"].toarray() if on == "test" else known

    def score(self, scores, on, new=False):
        """Recall and NDCG of a ranking of all items, or of the new ones alone."""
        excluded = self.excluded(on) | ~self.new if new else self.excluded(on)
        return kf.evaluation.score_ranking(scores, self.splits[on], excluded, K)

    def chance(self, on, new=False):
        """What a random ranking is expected to have: recall, NDCG."""
        excluded = self.excluded(on) | ~self.new if new else self.excluded(on)
        relevant = (self.splits[on].toarray() & ~excluded).sum(axis=1)
        share = (relevant / (~excluded).sum(axis=1))[relevant > 0]
        discounts = np.cumsum(1 / np.log2(np.arange(K) + 2))
        recall = K / (~excluded).sum(axis=1)[relevant > 0]
        ndcg = share * discounts[-1] / discounts[np.minimum(relevant[relevant > 0], K) - 1]
        return recall.mean(), ndcg.mean()


def item_knn(train, num_neighbors, shrinkage):
    """Scores `(users, items)`: cosines of each item with those that a user knows, of its nearest neighbors alone.

    Args:
        train: bool csr_array `(users, items)`.
        num_neighbors: int.
        shrinkage: float, added to the denominator, so that few common users count less.
    """
    train = train.astype("float32")
    common = (train.T @ train).toarray()
    counts = common.diagonal().copy()
    cosines = common / (np.sqrt(np.outer(counts, counts)) + shrinkage + 1e-9)
    np.fill_diagonal(cosines, 0)
    k = min(num_neighbors, len(cosines))
    cosines[cosines < np.partition(cosines, -k, axis=1)[:, -k, None]] = 0
    return train @ cosines.T


def content_views(films, vectors, known, size=32):
    """Numbers that describe a film, for factorizations: dict of genres, one column each, and components of posters.

    Args:
        films: DataFrame with `genres`, names divided by spaces.
        vectors: float `(films, F)`, a vector of each poster.
        known: bool `(films,)`, films to learn the components from.
        size: int, number of components.
    """
    genres = films["genres"].str.get_dummies(" ").to_numpy("float64")
    pca = PCA(min(size, vectors.shape[1]), random_state=0).fit(vectors[known])
    posters = pca.transform(vectors) / np.sqrt(pca.explained_variance_.mean())
    return {"genres": genres - genres[known].mean(axis=0), "poster": posters.astype("float64")}


def fit_cmf(train, n_components, regularization=0.02, side_info_weight=1.0, features=None):
    """Scores `(users, items)` of collective matrix factorization, with features of the items or without."""
    settings = {"regularization": regularization, "side_info_weight": side_info_weight, "max_iter": 15}
    model = CollectiveMatrixFactorization(n_components, feedback="implicit", random_state=0, **settings)
    model.fit(train.astype("float32"), column_features=features)
    return model.row_factors_ @ model.column_factors_.T


def fit_jmf(train, views, n_components, weight):
    """Scores `(users, items)` of joint factorization; new items have factors from `views`, `content_views`' dict."""
    behavior = train.toarray().T.astype(float)
    known = behavior.any(axis=1)
    model = JointMatrixFactorization(n_components, weights={"genres": weight, "poster": weight / 10})
    factors = np.zeros((len(behavior), n_components))
    factors[known] = model.fit({"behavior": behavior[known], **{n: v[known] for n, v in views.items()}}).factors_
    factors[~known] = model.transform({name: view[~known] for name, view in views.items()})
    return model.reconstruct(factors, "behavior").T


def item_schema(films, known, dim, **settings):
    """The schema of an item tower: its vocabulary comes from known films, its task is `dim` factors and a bias."""
    table = films.assign(known=np.where(known, "train", "test"), counted=np.arange(len(films)))
    # `load` wants a label, which is replaced below.
    columns = {"image": "poster", "text": ["title", "genres"], "label": "counted", "problem_type": "regression"}
    data = kf.data.load(table, **columns, split="known", allow_external_paths=True, **settings)
    names = [*(f"factor {i}" for i in range(dim)), "bias"]
    return Schema(data.schema.features, (Task("factors", "embedding_regression", "factors", tuple(names), std=1.0),))


def tower_inputs(tower, items):
    """What a tower takes of all items, as arrays; where it begins with a frozen network, that network's features."""
    schema = Schema(tuple(f for f in items.schema.features if f.name in tower.input), items.schema.tasks)
    (items,) = frozen_features(tower, [items.with_features(schema)])
    batches = list(kf.data.BatchedDataset(items, 512).dataset())
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def poster_vectors(inputs):
    """A vector of length 1 for each poster, of what `tower_inputs` returned; of plain pixels every fourth."""
    pixels = inputs["image"][:, ::4, ::4] / 255.0 - 0.5 if "image" in inputs else inputs["image_features"]
    vectors = pixels.reshape(len(pixels), -1).astype("float32") * inputs["image_present"][:, None]
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def rank_all(factors):
    """Scores `(users, items)` of users' factors, items' factors and items' biases."""
    users, items, bias = factors
    return users @ items.T + bias


def train_ranking(model, batches, loss, factors, interactions, learning_rate, epochs, every=2, quick=False):
    """Train a model, and keep the weights with the best ranking of the validation split.

    Args:
        model: A Keras model.
        batches: `tf.data.Dataset` of `(x, y)`.
        loss: A Keras loss.
        factors: Function without arguments -> users' factors, items' factors and items' biases.
        interactions: `Interactions`.
        learning_rate: float, of Adam.
        epochs: int, at most.
        every: int, epochs between two rankings.
        quick: Whether to stop after two rankings.

    Returns:
        dict epoch -> NDCG on the validation split.
    """
    keep = KeepBest(lambda: rank_all(factors()), interactions, every)
    # XLA is slower than plain operations on a CPU, above all for sums over a graph.
    model.compile(keras.optimizers.Adam(learning_rate), loss=loss, jit_compile=False)
    model.fit(batches, epochs=2 * every if quick else epochs, shuffle=False, verbose=0, callbacks=[keep])
    return keep.curve


class KeepBest(keras.callbacks.Callback):
    """Rank for the validation split every few epochs; stop without progress, and restore the best weights.

    Args:
        scores: Function without arguments -> float `(users, items)`.
        interactions: `Interactions`.
        every: int, epochs between two rankings.
        patience: int, rankings without progress before the end.

    Attributes:
        curve: dict epoch -> NDCG.
    """

    def __init__(self, scores, interactions, every=2, patience=2):
        super().__init__()
        self.scores, self.interactions = scores, interactions
        self.every, self.patience = every, patience
        self.curve = {}

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        found = self.interactions.score(self.scores(), "validation").ndcg.mean()
        if found > max(self.curve.values(), default=0):
            self.weights = self.model.get_weights()
        self.curve[epoch + 1] = found
        epochs = list(self.curve)
        best = max(epochs, key=self.curve.get)
        self.model.stop_training = epochs.index(best) < len(epochs) - self.patience

    def on_train_end(self, logs=None):
        self.model.set_weights(self.weights)


def save_learning_curves(path, curves):
    """Save the NDCG on the validation split over epochs: dict model -> dict epoch -> NDCG."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker=".", label=name)
    axes.set(xlabel="epoch", ylabel=f"NDCG@{K}, validation")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def save_ranking_bars(path, tables, chance, new_only):
    """Save bars of two metrics, one panel each, with a dot per seed and a line for chance.

    Args:
        path: The PNG file.
        tables: dict title -> pandas.DataFrame, one row per model and one column per seed.
        chance: dict title -> float.
        new_only: Models in blue: those that rank new items.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, (title, table) in zip(figure.subplots(1, len(tables)), tables.items(), strict=True):
        table = table[::-1]
        means = table.mean(axis=1)
        colors = ["#1f6feb" if name in new_only else "#9aa4b2" for name in table.index]
        axes.barh(means.index, means, color=colors, alpha=0.6)
        for place, values in enumerate(table.to_numpy()):
            axes.plot(values, [place] * len(values), ".", color="#1f2328", ms=3)
        axes.axvline(chance[title], color="#cf222e", ls=":", label="chance")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(f"Recall@{K} (dots: the seeds)", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    figure.savefig(path, dpi=120)


def save_posters(path, rows, films, columns=6):
    """Save a row of posters for each title.

    Args:
        path: The PNG file.
        rows: dict title -> list of item ids.
        films: DataFrame with `item` and `poster`.
        columns: Posters in a row.
    """
    posters = films.set_index("item")["poster"]
    figure = Figure(figsize=(1.1 * columns, 1.75 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (title, ids) in zip(grid, rows.items(), strict=True):
        axes[0].set_title(title, fontsize=8, loc="left")
        for ax, item in zip(axes, [*ids[:columns], *[None] * (columns - len(ids[:columns]))], strict=True):
            ax.axis("off")
            if item is not None:
                with Image.open(posters[item]) as image:
                    ax.imshow(image.convert("RGB"))
    figure.savefig(path, dpi=120)
