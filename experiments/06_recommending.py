# %% [markdown]
"""# Recommending with collective matrix factorization

- Article: 000, section 4.1.1
- What you will learn: factorize ratings with side information, recommend films that nobody has rated, and serve
  recommendations
- Time: some minutes (`--quick`: a minute)
- Data: DATA/movielens_latest_small; made-up films with `--quick`

```shell
python experiments/06_recommending.py --data-dir DATA    # DATA/movielens_latest_small, some minutes
python experiments/06_recommending.py --quick            # made-up films with posters, a minute
```

Matrix factorization approximates a sparse matrix of ratings by the product of two narrow ones, so that each user and
each film is described by a few numbers (factors). A film without ratings gets its factors from side information.

What the article prints, and what this tutorial does instead:

| the article | the problem | here |
|---|---|---|
| U ← U × (Pᵀ Vᵀ (VᵀV + λ1 I)⁻¹), V likewise | shapes do not match (section 1) | alternating least squares |
| P, a matrix | unknown entries count as ratings of 0 | only known entries count |
| no offsets | factors are spent on who is generous | an offset per user and per film |
| "multi-view learning" | the ratings are the only view | genres and tags share the films' factors |
"""

# %%
from pathlib import Path

import _common
import numpy as np
from _recommending import (
    Errors,
    draw_films,
    fit_offsets,
    hold_out,
    load_movielens,
    plot_objective,
    predict_pca,
    rmse,
)
from sklearn.model_selection import ParameterGrid

import kerasfusion as kf

parser = _common.tutorial_parser(__doc__, "06_recommending")
parser.add_argument("--factors", type=int, default=16, help="number of factors of each user and each film")
parser.add_argument("--seeds", type=int, default=3, help="number of random splits")
arguments = _common.parse(parser)
quick = arguments.quick
num_factors, num_splits = (8, 1) if quick else (arguments.factors, arguments.seeds)

# %% [markdown]
# ## 1. Why the printed update cannot work
#
# P is users × films, U is users × k and V is films × k, so the product Pᵀ Vᵀ exists only if there are as many users
# as factors. For a square P it can be computed, but it multiplies U by a matrix in each step instead of solving for
# it. The correct half-step does not depend on the old U. It is the ridge regression of P's rows on V,
# U = P V (VᵀV + λ I)⁻¹, and never increases the objective. Compare the two objectives:

# %%
rng = np.random.default_rng(0)
P, U, V = rng.normal(size=(50, 40)), rng.normal(size=(50, 4)), rng.normal(size=(40, 4))
try:
    U @ (P.T @ V.T @ np.linalg.inv(V.T @ V + 0.1 * np.eye(4)))
except ValueError as error:
    print(f"The printed update: {error}")


def objective(U, V):
    return np.square(P - U @ V.T).sum() + 0.1 * np.square(U).sum() + 0.1 * np.square(V).sum()


def inverse(A):
    return np.linalg.inv(A.T @ A + 0.1 * np.eye(8))


P, U, V = rng.normal(size=(3, 8, 8))
als_U, als_V = U, V
for step in range(1, 4):
    U, V = U @ (P.T @ V.T @ inverse(V)), V @ (P @ U.T @ inverse(U))
    als_U = P @ als_V @ inverse(als_V)
    als_V = P.T @ als_U @ inverse(als_U)
    print(f"step {step}: objective as printed {objective(U, V):9.3g}, least squares {objective(als_U, als_V):.4f}")

# %% [markdown]
# ## 2. Data
#
# `ratings` has a user, a film and stars in each row, and `films` a film and its text (and poster). `views` holds the
# side information of the films as numbers, which matrix factorization needs: one column per genre, and one per tag.

# %%
if quick:
    ratings, films, views = draw_films(arguments.output_dir / "films")
elif arguments.data_dir:
    ratings, films, views = load_movielens(Path(arguments.data_dir) / "movielens_latest_small")
else:
    parser.error("name the folder of movielens_latest_small: --data-dir or KERASFUSION_DATA (or try --quick)")
print(ratings.head(3), films.head(3), sep="\n\n")
print({name: f"{view.shape[1]} columns" for name, view in views.items()})

# %% [markdown]
# ## 3. Two questions
#
# *Held-out ratings*: a fifth of the ratings is held out; the film and the user have other ratings. *New films*: a
# fifth of the films is held out with all ratings. Then ratings alone cannot help, and side information enters in one
# of two ways:
#
# - `column_features`: the films' factors explain the ratings and the features at once.
# - A tower: a network maps the text (and the poster) of a film to the factors that its ratings gave it. It reads the
#   words themselves, so no features have to be designed.
#
# Each model is fitted with the regularization and feature weight that are best on a fifth of its training part. The
# baselines are the mean, offsets alone, and PCA.

# %%
GRID = {"regularization": [0.1] if quick else [0.05, 0.1, 0.15, 0.2, 0.3]}
VIEW_GRID = {**GRID, "side_info_weight": [8.0] if quick else [2.0, 8.0, 32.0]}
errors = Errors()


def factorize(train, view=None, **settings):
    settings = {"solver": "cholesky", "tol": 0, "random_state": 0, **settings}
    model = kf.factorization.CollectiveMatrixFactorization(num_factors, **settings)
    return model.fit(train, column_features=view)


def predict(model, test):
    return model.predict(test["user"], test["film"], unknown="average")


def choose_settings(train, by, seed, view=None):
    part, validation = hold_out(train, by, seed + 100)
    grid = ParameterGrid(GRID if view is None else VIEW_GRID)
    return min(grid, key=lambda settings: rmse(predict(factorize(part, view, **settings), validation), validation))


for seed in range(num_splits):
    train, test = hold_out(ratings, None, seed)
    # A film that lost all its ratings belongs to the other question.
    test = test[test["film"].isin(train["film"])]
    offsets = fit_offsets(train)
    errors.add("held-out ratings", "mean", rmse(train["stars"].mean(), test))
    errors.add("held-out ratings", "offsets alone", rmse(offsets(test), test))
    pca = predict_pca(ratings, train, test, offsets, num_factors)
    errors.add("held-out ratings", "offsets and PCA", rmse(pca, test))
    for name, view in {"ratings alone": None, **views}.items():
        model = factorize(train, view, **choose_settings(train, None, seed, view))
        errors.add("held-out ratings", f"CMF, {name}", rmse(predict(model, test), test))

# %% [markdown]
# For new films, `train_item_tower` trains the tower on the factors of a fitted model. The predicted rating is the
# mean, plus both offsets, plus the inner product of the user's factors and the predicted ones.


# %%
def train_tower(model, name, seed):
    epochs, batch_size = (12, 16) if quick else (30, 256)
    config = kf.training.TrainingConfig(epochs=epochs, batch_size=batch_size, learning_rate=5e-3, seed=seed)
    settings = {"id_column": "film", "text": "about", "image": "poster" if quick else []}
    if quick:
        settings |= {"image_encoder": {"name": "small_cnn", "filters": (8, 16)}, "units": 32}
    tower = kf.workflows.train_item_tower(
        model, films, arguments.output_dir / name, config=config, overwrite=True, verbose=0, **settings
    )
    print(f"tower: R² {tower.metrics['r2']:.1%} on the factors of {tower.metrics['items']} unseen films")
    return tower


def predict_new_films(model, tower, test):
    new = films[films["film"].isin(test["film"])]
    predicted = tower.predict(new, films.attrs.get("folder")).set_index(new["film"]).loc[test["film"]]
    users = model.row_ids_.get_indexer(test["user"])
    product = (model.row_factors_[users] * predicted.filter(like="factor ")).sum(axis=1)
    return model.mean_ + model.row_bias_[users] + predicted["bias"] + product


for seed in range(num_splits):
    train, test = hold_out(ratings, "film", seed)
    errors.add("new films", "mean", rmse(train["stars"].mean(), test))
    errors.add("new films", "offsets alone", rmse(fit_offsets(train)(test), test))
    for name, view in {"ratings alone": None, **views}.items():
        model = factorize(train, view, **choose_settings(train, "film", seed, view))
        errors.add("new films", f"CMF, {name}", rmse(predict(model, test), test))
        if view is None:
            ratings_alone = model
    tower = train_tower(ratings_alone, f"tower_{seed}", seed)
    error = rmse(predict_new_films(ratings_alone, tower, test), test)
    errors.add("new films", "CMF, ratings alone, and a tower", error)

# %% [markdown]
# Means over the splits; the figure also shows the lowest and the highest value. Side information hardly helps films
# that have ratings. For new films it is all there is.

# %%
figures = arguments.output_dir / "figures"
figures.mkdir(exist_ok=True)
print(errors.table().round(4).to_string(na_rep=""))
errors.plot(figures / "rmse.png")

# %% [markdown]
# The objective after each half-step (users, films, users, ...): with the exact solver it never rises.

# %%
settings = choose_settings(ratings, None, 0)
histories = {}
for solver in ("cholesky", "cg"):
    history = factorize(ratings, **settings, solver=solver).history_
    histories[solver] = [half_step["objective"] for half_step in history]
    print(f"{solver}: {histories[solver][0]:,.0f} after one half-step, {histories[solver][-1]:,.0f} at the end")
plot_objective(histories, figures / "objective.png")
print(f"Figures: {figures}")

# %% [markdown]
# ## 4. Serving
#
# One SavedModel holds the factors of all ratings and a tower for future films. It takes ids as strings: `recommend`
# for a user (known or not), `similar_items` for a film, and `score_item` for a new film, from its text.

# %%
model = factorize(ratings, **settings)
tower = train_tower(model, "served_tower_0", 0)
version = kf.workflows.export_recommender(model, arguments.output_dir / "saved_model", k=5, tower=tower)
report = kf.verify(version)
print(report)

# %%
about = films.set_index(films["film"].astype(str))["about"].str[:70]
user, film = (str(ratings[column].mode()[0]) for column in ("user", "film"))
new_film = {"text": ["robots" if quick else "Space Robots (2031) Sci-Fi Action"]}
if quick:
    new_film["image_bytes"] = [(arguments.output_dir / "films" / "0.png").read_bytes()]
with kf.serving.CApiSession(version) as session:
    recommended = session.run("recommend", {"user": [user, "somebody new"]})
    similar = session.run("similar_items", {"item": [film]})
    score = session.run("score_item", {"user": [user], **new_film})["score"][0]
for title, ids, scores in (
    (f"for user {user}", recommended["ids"][0], recommended["scores"][0]),
    ("for somebody new", recommended["ids"][1], recommended["scores"][1]),
    (f"similar to {about[film]}", similar["ids"][0], similar["scores"][0]),
):
    print(f"\n{title}")
    print("\n".join(f"  {value:.2f}  {about[item.decode()]}" for item, value in zip(ids, scores, strict=True)))
print(f"\nnew film {new_film['text'][0]!r}: {score:.2f} stars from user {user}")

# %%
command = f"python experiments/06_recommending.py --factors {num_factors} --seeds {num_splits} --data-dir DATA"
command += " --results experiments/results/recommending.csv"
_common.record(arguments.results, list(errors.rows()), "06_recommending", command)

# %% [markdown]
# ## Next steps
#
# Treat each rating as a sign of interest, whatever the stars: `feedback="implicit"`. Which films are recommended
# then?

# %%
_common.finish(report.ok)
