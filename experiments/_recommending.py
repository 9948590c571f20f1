"""Data sets, baselines and figures of tutorial 06."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.extmath import randomized_svd


def draw_films(folder):
    """Users with tastes in colors, shapes and genres; a poster shows color and shape, the text names the genre.

    Returns:
        tuple: ratings, films and views, as from `load_movielens`.
    """
    colors = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
    genres = ("ghosts", "jokes", "robots", "songs")
    rng, rows, features = np.random.default_rng(0), [], []
    folder.mkdir(parents=True, exist_ok=True)
    for film in range(150):
        color, tall, genre = rng.integers(3), rng.integers(2), rng.integers(4)
        image = np.full((32, 32, 3), 255, np.uint8)
        image[4:28, 12:20] = list(colors.values())[color]
        image = image if tall else image.transpose(1, 0, 2)
        Image.fromarray(image).save(folder / f"{film}.png")
        rows.append({"film": f"film {film}", "poster": f"{film}.png", "about": f"{genres[genre]}, part {film % 7}"})
        features.append([*np.eye(3)[color], tall, *np.eye(4)[genre]])
    films = pd.DataFrame(rows)
    features = pd.DataFrame(features, index=films["film"].tolist(), dtype="float32")
    films.attrs["folder"] = str(folder)
    stars = 3 + rng.normal(size=(120, 8)) @ features.to_numpy().T + 0.3 * rng.normal(size=(120, 150))
    users, rated = np.nonzero(rng.random(stars.shape) < 0.3)
    ratings = pd.DataFrame({"user": users, "film": films["film"].to_numpy()[rated], "stars": stars[users, rated]})
    return ratings, films, {"color and shape": features.iloc[:, :4], "all": features}


def load_movielens(folder):
    """MovieLens latest-small.

    Returns:
        tuple: ratings (`user`, `film`, `stars`), films (`film`, `about`), and views: dict name -> numeric features of
        the films, one column per genre, and one per tag that at least five films have.
    """
    ratings, films, tags = (pd.read_csv(folder / f"{name}.csv") for name in ("ratings", "movies", "tags"))
    ratings = ratings.rename(columns={"userId": "user", "movieId": "film", "rating": "stars"})
    films, tags = films.rename(columns={"movieId": "film"}), tags.rename(columns={"movieId": "film"})
    genres = films["genres"].str.get_dummies("|").drop(columns="(no genres listed)").set_index(films["film"])
    tags = tags.assign(tag=tags["tag"].str.lower()).drop_duplicates(["film", "tag"])
    tags_of_film = tags.groupby("film")["tag"].agg(" ".join).reindex(films["film"]).fillna("").to_numpy()
    films["about"] = films["title"] + " " + films["genres"].str.replace("|", " ") + " " + tags_of_film
    tags = tags[tags.groupby("tag")["film"].transform("size") >= 5]
    tags = pd.crosstab(tags["film"], tags["tag"]).reindex(genres.index, fill_value=0)
    views = {
        "genres": genres.astype("float32"),
        "genres and tags": pd.concat([genres, tags], axis=1).astype("float32"),
    }
    return ratings[["user", "film", "stars"]], films[["film", "about"]], views


def hold_out(ratings, by, seed):
    """Split off a fifth of the ratings (`by` is None), or all ratings of a fifth of the values of the column `by`."""
    rng = np.random.default_rng(seed)
    groups, group = np.unique(np.arange(len(ratings)) if by is None else ratings[by], return_inverse=True)
    held_out = (rng.permutation(len(groups)) < len(groups) // 5)[group]
    return ratings[~held_out], ratings[held_out]


def rmse(predicted, test):
    """Root mean squared error in stars."""
    return float(np.sqrt(np.mean((np.asarray(predicted, float) - test["stars"]) ** 2)))


def fit_offsets(train, strength=5.0):
    """Ridge regression on one offset per user and one per film; returns `predict(rows)`."""
    encoder = OneHotEncoder(handle_unknown="ignore").fit(train[["user", "film"]])
    ridge = Ridge(strength, solver="sparse_cg").fit(encoder.transform(train[["user", "film"]]), train["stars"])
    return lambda rows: ridge.predict(encoder.transform(rows[["user", "film"]]))


def predict_pca(ratings, train, test, offsets, num_components):
    """PCA of the residuals of the offsets; unknown entries count as 0. `ratings` lists all users and films."""
    users, films = (pd.Index(ratings[column].unique()) for column in ("user", "film"))
    (rows, columns), (test_rows, test_columns) = (
        (users.get_indexer(part["user"]), films.get_indexer(part["film"])) for part in (train, test)
    )
    residuals = train["stars"] - offsets(train)
    matrix = sparse.csr_array((residuals, (rows, columns)), shape=(len(users), len(films)))
    left, values, right = randomized_svd(matrix, num_components, random_state=0)
    return offsets(test) + np.einsum("ek,k,ek->e", left[test_rows], values, right.T[test_columns])


class Errors:
    """RMSE of every model, question and split."""

    def __init__(self):
        self.values = {}

    def add(self, question, name, value):
        """Print and keep one RMSE."""
        print(f"{question:17} {name:40} RMSE {value:.4f}", flush=True)
        self.values.setdefault((name, question), []).append(value)

    def table(self):
        """pandas.DataFrame: means, one row per model, one column per question."""
        means = pd.Series(self.values).map(np.mean).unstack()
        return means.reindex(dict.fromkeys(name for name, _ in self.values))

    def rows(self):
        """Rows of the results file."""
        for (name, question), values in self.values.items():
            figures = {"value": np.mean(values), "low": min(values), "high": max(values), "n": len(values)}
            yield {"model": name, "metric": f"RMSE, {question}", **figures}

    def plot(self, path):
        """Bars of the means, with the lowest and the highest value."""
        figure = Figure(figsize=(11, 4), layout="constrained")
        for axes, (question, means) in zip(figure.subplots(1, 2), self.table().items(), strict=True):
            means = means.dropna()[::-1]
            values = [self.values[name, question] for name in means.index]
            ends = np.array([[min(own) for own in values], [max(own) for own in values]])
            axes.barh(means.index, means, xerr=np.abs(ends - means.to_numpy()), capsize=3, color="#1f6feb")
            for i, value in enumerate(means):
                axes.text(0.02, i, f"{value:.3f}", va="center", color="white")
            axes.set(title=question, xlabel="RMSE in stars: mean, lowest and highest of the splits")
        figure.savefig(path, dpi=120)


def plot_objective(histories, path):
    """The objective after each half-step: solver -> list of values."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for solver, values in histories.items():
        axes.plot(range(1, len(values) + 1), values, "o-", ms=3, label=solver)
    axes.set(xlabel="half-step", ylabel="objective", yscale="log")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
