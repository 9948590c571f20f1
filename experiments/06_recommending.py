# %% [markdown]
"""# Recommending with collective matrix factorization

- Article: 000, section 4.1.1
- What you will learn: factorize ratings with side features, score unrated items, serve recommendations
- Time: some minutes (`--quick`: a minute)
- Data: DATA/movielens_latest_small; made-up films with --quick

```shell
python experiments/06_recommending.py --data-dir DATA      # DATA/movielens_latest_small, some minutes
python experiments/06_recommending.py --quick              # made-up films with posters, less than a minute
```

A matrix of users and films, of which hardly any entry is known, is taken for the product of two narrow ones: each
user and each film gets a few numbers. Films nobody has rated get theirs from what is known of them otherwise.

What the article prints, and what is done here:

| the article                       | what it means                        | here                                   |
|-----------------------------------|--------------------------------------|----------------------------------------|
| U ← U × (Pᵀ Vᵀ (VᵀV + λ1 I)⁻¹),   | U is multiplied by its own update,   | each row solves its own regularized    |
| V likewise                        | and the shapes do not fit: section 1 | regression on V; then each column on U |
| P, a matrix                       | what is unknown would be rated 0     | only known entries count               |
| no offsets                        | factors are spent on who is generous | users and films have offsets           |
| "multi-view learning"             | there is one view, the ratings       | genres and tags share the films'       |
|                                   |                                      | factors, the C of CMF: section 3       |
"""

# %%
import tempfile
from pathlib import Path

import _common
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterGrid
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.extmath import randomized_svd

import kerasfusion as kf
from kerasfusion.factorization import CollectiveMatrixFactorization
from kerasfusion.serving import CApiSession
from kerasfusion.workflows import export_recommender, train_item_tower

parser = _common.tutorial_parser(__doc__, "06_recommending")
parser.add_argument("--factors", type=int, default=16, help="numbers that each user and each film gets")
parser.add_argument("--seeds", type=int, default=3, help="how often ratings and films are held out anew")
arguments = _common.parse(parser)
factors, seeds = (8, 1) if arguments.quick else (arguments.factors, arguments.seeds)

# %% [markdown]
# ## 1. Why the printed update cannot work
#
# P is users × films, U users × k, V films × k. Pᵀ Vᵀ joins films × users with k × films: it conforms only if there
# are as many users as factors. So take a square P with as many of everything, where it can be computed, and do as it
# says. U is multiplied by something at every step, and so is V by something made of that; nothing solves anything.
# The proper half-step has no old U in it: it is the regularized regression of P's rows on V, U = P V (VᵀV + λ I)⁻¹,
# and its objective cannot rise.

# %%
random = np.random.default_rng(0)
P, U, V = random.normal(size=(50, 40)), random.normal(size=(50, 4)), random.normal(size=(40, 4))
try:
    U @ (P.T @ V.T @ np.linalg.inv(V.T @ V + 0.1 * np.eye(4)))
except ValueError as error:
    print(f"The printed update: {error}")
P, U, V = random.normal(size=(3, 8, 8))
proper = U, V


def objective(U, V):
    return np.square(P - U @ V.T).sum() + 0.1 * np.square(U).sum() + 0.1 * np.square(V).sum()


def inverse(A):
    return np.linalg.inv(A.T @ A + 0.1 * np.eye(8))


for step in range(1, 4):
    U, V = U @ (P.T @ V.T @ inverse(V)), V @ (P @ U.T @ inverse(U))
    first = P @ proper[1] @ inverse(proper[1])
    proper = first, P.T @ first @ inverse(first)
    print(f"step {step}: objective as printed {objective(U, V):9.3g}, proper {objective(*proper):.4f}")

# %% [markdown]
# ## 2. The ratings, and what else is known of films
#
# `ratings` is a table of user, film, stars; `films` one of film and text (and poster); `views` the same knowledge as
# numbers, which matrix factorization takes: one column for each genre, one for each tag that five films or more have.


# %%
def made_up(folder):
    """Users who like colors, shapes and moods; a poster shows the color and shape, the text names the mood."""
    colors = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
    moods = ("ghosts", "jokes", "robots", "songs")
    random = np.random.default_rng(0)
    rows, kinds = [], []
    for film in range(150):
        color, tall, mood = random.integers(3), random.integers(2), random.integers(4)
        image = np.full((32, 32, 3), 255, np.uint8)
        image[4:28, 12:20] = list(colors.values())[color]
        image = image if tall else image.transpose(1, 0, 2)
        Image.fromarray(image).save(folder / f"{film}.png")
        rows.append({"film": f"film {film}", "poster": f"{film}.png", "about": f"{moods[mood]}, part {film % 7}"})
        kinds.append([*np.eye(3)[color], tall, *np.eye(4)[mood]])
    films, kinds = pd.DataFrame(rows), pd.DataFrame(kinds, index=[row["film"] for row in rows], dtype="float32")
    films.attrs["folder"] = str(folder)
    stars = 3 + random.normal(size=(120, 8)) @ kinds.to_numpy().T + 0.3 * random.normal(size=(120, 150))
    users, places = np.nonzero(random.random(stars.shape) < 0.3)
    ratings = {"user": users, "film": films["film"].to_numpy()[places], "stars": stars[users, places]}
    return pd.DataFrame(ratings), films, {"color and shape": kinds.iloc[:, :4], "all": kinds}


def movielens(folder):
    """MovieLens latest-small: genres of all films, free-text tags of some."""
    ratings, films, tags = (pd.read_csv(folder / f"{name}.csv") for name in ("ratings", "movies", "tags"))
    ratings = ratings.rename(columns={"userId": "user", "movieId": "film", "rating": "stars"})
    films, tags = films.rename(columns={"movieId": "film"}), tags.rename(columns={"movieId": "film"})
    genres = films["genres"].str.get_dummies("|").drop(columns="(no genres listed)").set_index(films["film"])
    tags = tags.assign(tag=tags["tag"].str.lower()).drop_duplicates(["film", "tag"])
    said = tags.groupby("film")["tag"].agg(" ".join).reindex(films["film"]).fillna("").to_numpy()
    films["about"] = films["title"] + " " + films["genres"].str.replace("|", " ") + " " + said
    tags = tags[tags.groupby("tag")["film"].transform("size") >= 5]
    tags = pd.crosstab(tags["film"], tags["tag"]).reindex(genres.index, fill_value=0)
    views = {
        "genres": genres.astype("float32"),
        "genres and tags": pd.concat([genres, tags], axis=1).astype("float32"),
    }
    return ratings[["user", "film", "stars"]], films[["film", "about"]], views


scratch = tempfile.TemporaryDirectory()
if arguments.quick:
    ratings, films, views = made_up(Path(scratch.name))
elif arguments.data_dir:
    ratings, films, views = movielens(Path(arguments.data_dir) / "movielens_latest_small")
else:
    parser.error("name the folder that movielens_latest_small is in: --data-dir or KERASFUSION_DATA (or --quick)")
print(
    f"\n{len(ratings):,} ratings by {ratings['user'].nunique():,} users of {ratings['film'].nunique():,} films; "
    + ", ".join(f"{name}: {view.shape[1]} columns" for name, view in views.items())
)

# %% [markdown]
# ## 3. Two questions
#
# *Held-out ratings*: a fifth of the ratings is hidden; film and user are known by others. *New films*: a fifth of the
# films is hidden, with all ratings. There the ratings alone know nothing, and what counts is how the rest is joined:
#
# * as side information (`column_features`): the films' factors explain ratings and features at once;
# * by a tower: a network from the text (and the poster) of a film to the factors that ratings gave it. It reads words
#   as they are, also those of one film in a thousand, and needs no columns of numbers.
#
# Regularization and the weight of the features are chosen by hiding a fifth of what is left again; the test part is
# read once. What it has to beat: the mean, offsets alone, and PCA, which takes what is unknown for an average rating.

# %%
GRID = {"regularization": [0.1] if arguments.quick else [0.05, 0.1, 0.15, 0.2, 0.3]}
WEIGHTS = {"side_info_weight": [8.0] if arguments.quick else [2.0, 8.0, 32.0]}


def hide(ratings, by, seed):
    """A fifth hidden: of the ratings (`by` is None), or of the films with all of theirs."""
    random = np.random.default_rng(seed)
    groups, group = np.unique(np.arange(len(ratings)) if by is None else ratings[by], return_inverse=True)
    hidden = (random.permutation(len(groups)) < len(groups) // 5)[group]
    return ratings[~hidden], ratings[hidden]


def rmse(predicted, test):
    return float(np.sqrt(np.mean((np.asarray(predicted, float) - test["stars"]) ** 2)))


def factorize(train, view=None, **settings):
    settings = {"solver": "cholesky", "tol": 0, "random_state": 0, **settings}
    return CollectiveMatrixFactorization(factors, **settings).fit(train, column_features=view)


def predict(model, test):
    return model.predict(test["user"], test["film"], unknown="average")


def choose(train, by, seed, view=None):
    """The settings that are best where a fifth of the training part is hidden."""
    part, hidden = hide(train, by, seed + 100)
    grid = ParameterGrid(GRID if view is None else {**GRID, **WEIGHTS})
    return min(grid, key=lambda settings: rmse(predict(factorize(part, view, **settings), hidden), hidden))


def offsets_alone(train, strength=5.0):
    """Ridge regression on who rates and what is rated: one number for each user and each film."""
    encoder = OneHotEncoder(handle_unknown="ignore").fit(train[["user", "film"]])
    ridge = Ridge(strength, solver="sparse_cg").fit(encoder.transform(train[["user", "film"]]), train["stars"])
    return lambda rows: ridge.predict(encoder.transform(rows[["user", "film"]]))


def pca(train, test, offsets):
    """Principal components of what the offsets leave, with 0 for what is unknown."""
    users, items = pd.Index(ratings["user"].unique()), pd.Index(ratings["film"].unique())
    places = [(users.get_indexer(part["user"]), items.get_indexer(part["film"])) for part in (train, test)]
    left = sparse.csr_array((train["stars"] - offsets(train), places[0]), shape=(len(users), len(items)))
    rows, values, columns = randomized_svd(left, factors, random_state=0)
    return offsets(test) + np.einsum("ek,k,ek->e", rows[places[1][0]], values, columns.T[places[1][1]])


found = {}


def keep(name, question, value):
    found.setdefault((name, question), []).append(value)
    print(f"{question:17} {name:40} RMSE {value:.4f}", flush=True)


def held_out_ratings(seed):
    train, test = hide(ratings, None, seed)
    # A film whose ratings are all hidden belongs to the other question.
    test = test[test["film"].isin(train["film"])]
    offsets = offsets_alone(train)
    keep("mean", "held-out ratings", rmse(train["stars"].mean(), test))
    keep("offsets alone", "held-out ratings", rmse(offsets(test), test))
    keep("offsets and PCA", "held-out ratings", rmse(pca(train, test, offsets), test))
    for name, view in {"CMF, ratings alone": None, **{f"CMF, {name}": view for name, view in views.items()}}.items():
        model = factorize(train, view, **choose(train, None, seed, view))
        keep(name, "held-out ratings", rmse(predict(model, test), test))


def new_films(seed):
    train, test = hide(ratings, "film", seed)
    keep("mean", "new films", rmse(train["stars"].mean(), test))
    keep("offsets alone", "new films", rmse(offsets_alone(train)(test), test))
    settings = choose(train, "film", seed)
    ratings_alone = factorize(train, **settings)
    keep("CMF, ratings alone", "new films", rmse(predict(ratings_alone, test), test))
    for name, view in views.items():
        model = factorize(train, view, **choose(train, "film", seed, view))
        keep(f"CMF, {name}", "new films", rmse(predict(model, test), test))
    tower = train_on(ratings_alone, seed)
    new = films[films["film"].isin(test["film"])]
    by_content = tower.predict(new, films.attrs.get("folder")).set_index(new["film"]).loc[test["film"]]
    places = ratings_alone.row_ids_.get_indexer(test["user"])
    product = (ratings_alone.row_factors_[places] * by_content.filter(like="factor ")).sum(axis=1)
    offsets = ratings_alone.mean_ + ratings_alone.row_bias_[places] + by_content["bias"]
    keep("CMF, ratings alone, and a tower", "new films", rmse(product + offsets, test))


def train_on(model, seed, name="tower"):
    """A tower for these factors: of text and posters, or of text alone."""
    epochs, batch_size = (12, 16) if arguments.quick else (30, 256)
    config = kf.training.TrainingConfig(epochs=epochs, batch_size=batch_size, learning_rate=5e-3, seed=seed)
    columns = {"id_column": "film", "text": "about", "image": "poster" if arguments.quick else []}
    small = {"image_encoder": {"name": "small_cnn", "filters": (8, 16)}, "units": 32} if arguments.quick else {}
    out = arguments.output_dir / f"{name}_{seed}"
    tower = train_item_tower(model, films, out, **columns, config=config, overwrite=True, **small, verbose=0)
    print(f"tower: {tower.metrics['r2']:.1%} of the variance of {tower.metrics['items']} unseen films' factors")
    return tower


for seed in range(seeds):
    held_out_ratings(seed)
    new_films(seed)

# %% [markdown]
# ## 4. What was found
#
# Means over the splits, with the lowest and the highest. On films that have ratings, features add little: the ratings
# say more. For new films they are all there is.

# %%
figures = arguments.output_dir / "figures"
figures.mkdir(parents=True, exist_ok=True)
table = pd.Series(found).map(np.mean).unstack().reindex(dict.fromkeys(name for name, _ in found))
print(f"\n{table.round(4).to_string(na_rep='')}\n")
figure = Figure(figsize=(11, 4), layout="constrained")
for axes, (question, column) in zip(figure.subplots(1, 2), table.items(), strict=True):
    bars = column.dropna()[::-1]
    ends = np.array([[min(found[name, question]), max(found[name, question])] for name in bars.index])
    error = np.abs(ends.T - bars.to_numpy())
    axes.barh(bars.index, bars, xerr=error, capsize=3, color="#1f6feb")
    for place, value in enumerate(bars):
        axes.text(0.02, place, f"{value:.3f}", va="center", color="white")
    axes.set(title=question, xlabel=f"RMSE in stars; from lowest to highest of {seeds} split(s)")
figure.savefig(figures / "rmse.png", dpi=120)

# %% [markdown]
# The objective, half-step by half-step: rows, columns, rows, columns. The exact solver's never rises.

# %%
figure = Figure(figsize=(6, 4), layout="constrained")
axes = figure.subplots()
best = choose(ratings, None, 0)
for solver in ("cholesky", "cg"):
    model = factorize(ratings, **best, solver=solver)
    values = [entry["objective"] for entry in model.history_]
    rises = int((np.diff(values) > 1e-6 * values[0]).sum())
    print(
        f"{solver}: {values[0]:,.0f} after the first half-step, {values[-1]:,.0f} after {len(values)}; {rises} rises"
    )
    axes.plot(range(1, len(values) + 1), values, "o-", ms=3, label=solver)
axes.set(xlabel="half-step", ylabel="objective", yscale="log")
axes.legend(frameon=False)
figure.savefig(figures / "objective.png", dpi=120)
print(f"Images: {figures}")

# %% [markdown]
# ## 5. Served
#
# All ratings, and a tower for the films of tomorrow, in one SavedModel. It takes ids as strings. A new film is known
# by its text alone; what a user will think of it follows from the factors that the tower gives it.

# %%
model = factorize(ratings, **best)
tower = train_on(model, 0, "served_tower")
version = export_recommender(model, arguments.output_dir / "saved_model", k=5, tower=tower)
report = kf.verify(version)
print(report)
about = films.set_index(films["film"].astype(str))["about"]
user, film = (str(ratings[column].mode()[0]) for column in ("user", "film"))
with CApiSession(version) as session:
    answer = session.run("recommend", {"user": [user, "somebody new"]})
    for name, ids, scores in zip((user, "somebody new"), answer["ids"], answer["scores"], strict=True):
        print(f"\nfor {name}:")
        print("\n".join(f"  {score:.2f}  {about[i.decode()][:70]}" for i, score in zip(ids, scores, strict=True)))
    answer = session.run("similar_items", {"item": [film]})
    print(f"\nlike {about[film][:70]}:")
    for i, cosine in zip(answer["ids"][0], answer["scores"][0], strict=True):
        print(f"  {cosine:.2f}  {about[i.decode()][:70]}")
    plots = [
        "robots" if arguments.quick else "Space Robots (2031) Sci-Fi Action",
        "songs" if arguments.quick else "Drama",
    ]
    content = {"text": plots}
    if arguments.quick:
        content["image_bytes"] = [(Path(scratch.name) / "0.png").read_bytes()] * 2
    answer = session.run("score_item", {"user": [user] * 2, **content})
    print("\nnew:", {plot: f"{score:.2f}" for plot, score in zip(plots, answer["score"], strict=True)})

# %% [markdown]
# ## What to change
#
# Ratings as a sign of interest, whatever the stars: `feedback="implicit"`. Which films are recommended then?

# %%
if arguments.results:
    rows = [
        {
            "model": name,
            "metric": f"RMSE, {question}",
            "value": np.mean(v),
            "low": min(v),
            "high": max(v),
            "n": len(v),
        }
        for (name, question), v in found.items()
    ]
    command = f"python experiments/06_recommending.py --factors {factors} --seeds {seeds} --data-dir DATA"
    _common.record(
        arguments.results, rows, "06_recommending", f"{command} --results experiments/results/recommending.csv"
    )

_common.finish(report.ok)
