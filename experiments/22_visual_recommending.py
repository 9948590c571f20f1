# %% [markdown]
"""# Recommending from image, title and behavior

- Article: 002, section 6.1
- What you will learn: rank films by what users did and by what films look like, and recommend films that nobody has
  watched yet
- Time: 25 minutes on one core (`--quick`: a minute)
- Data: DATA/movielens_latest_small and DATA/ml_posters, 610 users and 9,517 films; `--quick` draws posters instead

```shell
python experiments/22_visual_recommending.py --data-dir DATA --pretrained efficientnet_lite0
python experiments/22_visual_recommending.py --quick
```

The article joins a user's history with images and titles, so that recommendations fit better. Papers show that
posters help matrix factorization. But a model that counts who watched what, and never looks at a film, is hard to
beat where a film has been watched often enough. Content is needed for a film that is new: nobody has watched it, and
a model without content cannot rank it at all. So both questions are asked here, with the same metrics and apart.
"""

# %%
import dataclasses
from functools import partial
from pathlib import Path

import _common
import _visual_recommending as visual
import keras
import numpy as np
from _visual_recommending import Interactions, K, rank_all
from sklearn.model_selection import ParameterGrid

import kerasfusion as kf
from kerasfusion.factorization import GivenFactors
from kerasfusion.schema import Schema
from kerasfusion.serving import CApiSession, write_recommender

parser = _common.tutorial_parser(__doc__, "22_visual_recommending", seeds=3)
_common.add_pretrained_flags(parser, "efficientnet_lite0")
arguments = _common.parse(parser)
_common.require_pretrained(arguments, parser)
quick, on = arguments.quick, arguments.on
results = _common.Results(arguments, "22_visual_recommending", ["seeds", "on"], "visual_recommending.csv")
if arguments.pretrained:
    results.command += " --pretrained efficientnet_lite0"

# %% [markdown]
# ## 1. Split by time
#
# A random split would tell a model what users did later. One date for all users would be the cleanest cut, but most
# users of MovieLens rate for an hour and never come back: of 610 users, 27 have ratings on both sides of it. So each
# user's ratings are cut by themselves: the last fifth tests, the tenth before it validates. What other users did
# later is then known to all models alike. Whether a user rated a film counts, not how many stars it got.
#
# The film table has the columns `n_ratings` and `mean_rating`. They count all ratings, those of the test split too,
# and are dropped: popularity is counted again, on the training split.

# %%
if quick:
    table, films, skipped = visual.drawn_posters(arguments.output_dir / "films")
elif arguments.data_dir:
    table, films, skipped = visual.movielens_posters(Path(arguments.data_dir))
else:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder of movielens_latest_small and ml_posters")
data = Interactions(table, films)
num_users, num_items = data.splits["train"].shape
print(f"skipped {skipped}")
print({split: matrix.nnz for split, matrix in data.splits.items()}, f"interactions of {num_users} users")
print(f"{data.new.sum():,} of {num_items:,} films are new: nobody watched them in the training split")

# %% [markdown]
# ## 2. Two questions, two metrics
#
# Each model gives each user a score for each film. Films that the user has watched already are taken out, and the 20
# best are compared with what the user watched next. Recall@20 is the share of these films that is found, and NDCG@20
# counts a film more if it stands further up. *All films*: every film is a candidate. *New films*: only films without
# a training interaction are candidates, for the users who watched one. A model without content has no reason to
# prefer one new film to another, so it gets no figure there.

# %%
ALL, NEW = "all films", "new films"
ranked = {}


def evaluate(name, scores, seed=0, content=False):
    """Rank, print and keep the scores of each user."""
    for question in (ALL, NEW) if content else (ALL,):
        found = data.score(scores, on, new=question == NEW)
        results.add(name, f"Recall@{K}, {question}", found.recall.mean(), n=len(found.recall), seed=seed)
        results.add(name, f"NDCG@{K}, {question}", found.ndcg.mean(), n=len(found.ndcg), seed=seed)
        ranked.setdefault((name, question), {})[seed] = found.ndcg


def choose(make, **grid):
    """The scores with the best NDCG on the validation split, over a grid of settings."""
    grid = [dict(settings) for settings in ParameterGrid({k: v[: 1 if quick else None] for k, v in grid.items()})]
    found = [make(**settings) for settings in grid]
    best = int(np.argmax([data.score(scores, "validation").ndcg.mean() for scores in found]))
    print(grid[best])
    return found[best]


# %% [markdown]
# ## 3. What a film looks like
#
# A frozen network of photographs turns each poster into a vector, once. Title and genres are texts. `item_schema`
# learns the vocabulary of titles on films that were watched in training, and keeps its 1,500 most frequent words: a
# word of a single title is a name for that film, not a property.

# %%
DIM = 8 if quick else 32
if quick:
    encoder, side = {"name": "residual_cnn", "filters": (8, 16)}, 32
elif arguments.pretrained:
    encoder, side = {"name": "efficientnet_lite0", "global_pool": True, "image_sizes": ()}, 128
else:
    weights = Path(arguments.data_dir) / "mobilenet_v2_035" / "mobilenet_v2_0.35_224_no_top.weights.h5"
    encoder, side = {"name": "mobilenet_v2", "alpha": 0.35, "weights": weights, "global_pool": True}, 128
cache = arguments.cache_dir or arguments.output_dir / "cache"
schema = visual.item_schema(films, ~data.new, DIM, image_size=side, max_tokens=1500)
items, unreadable = kf.data.load_rows(films, schema, with_labels=False, allow_external_paths=True)
items = dataclasses.replace(items, cache_dir=cache)
print(f"posters: {unreadable}")


def build_tower(names, units=64):
    """A network from these features of a film to its factors and its bias."""
    return kf.models.fusion_model(
        Schema(tuple(feature for feature in schema.features if feature.name in names), schema.tasks),
        text_encoder={"name": "average", "activation": None},
        image_encoder=encoder,
        units=units,
        dropout=0.5,
    )


inputs = visual.tower_inputs(build_tower(("image", "title", "genres")), items)
vectors = visual.poster_vectors(inputs)

# %% [markdown]
# ## 4. Baselines without gradients
#
# - *Popularity*: the most watched films. *Item-kNN*: films that the same users watched.
# - *CMF*: collective matrix factorization, alone and with genres and posters as side information.
# - *JMF*: joint factorization of three views of a film: who watched it, its genres, its poster. The factors of a new
#   film come from the two views that it has.

# %%
train, views = data.splits["train"], visual.content_views(films, vectors, ~data.new)
both = np.concatenate(list(views.values()), axis=1).astype("float32")
sizes = [8] if quick else [16, 32, 64]


JOINED = "CMF, genres and posters"


def evaluate_baselines():
    evaluate("popularity", np.tile(data.counts, (num_users, 1)))
    evaluate("item-kNN", choose(partial(visual.item_knn, train), num_neighbors=[50, 200], shrinkage=[0, 10]))
    evaluate("CMF", choose(partial(visual.fit_cmf, train), n_components=sizes, regularization=[0.02, 0.1]))
    with_content = partial(visual.fit_cmf, train, features=both)
    evaluate(JOINED, choose(with_content, n_components=sizes, side_info_weight=[0.1, 1.0]), content=True)
    evaluate(
        "JMF",
        choose(partial(visual.fit_jmf, train, views), n_components=sizes, weight=[0.3, 0.03, 1.0]),
        content=True,
    )


# %% [markdown]
# ## 5. LightGCN and VBPR
#
# Both learn from pairs: a film that the user watched has to score higher than one drawn at random (`BPRLoss`).
# LightGCN averages embeddings over the graph of users and films and knows no content. VBPR adds a projection of the
# poster to matrix factorization. Negatives are drawn among films with interactions: a film that nobody could have
# watched is no negative, and as one it would lose its bias.
#
# Training keeps the weights with the best NDCG on the validation split.


# %%
curves = {}


def train_pairwise(name, model, seed, batch_size, **settings):
    batches = kf.data.InteractionBatches(*data.pairs.T, batch_size=batch_size, seed=seed).dataset()
    curves[name] = visual.train_ranking(
        model, batches, kf.losses.BPRLoss(), model.to_numpy, data, quick=quick, **settings
    )
    return rank_all(model.to_numpy())


# %% [markdown]
# ## 6. Two towers
#
# One tower is a table of users. The other reads poster, title and genres of a film; to what it says, a vector of the
# film's own is added, which holds what users did. In training it is dropped in some rows, so that the network learns
# to do without; how often is chosen on the validation split, with the first seed. The films of a batch are negatives
# of each other (`SampledSoftmaxLoss`).
#
# Each part is then taken away: one modality, the own vectors, or all content.

# %%
TOWER, CONTENT, BEHAVIOR = "two towers", "two towers, content alone", "two towers, behavior alone"
EVERYTHING = ("image", "title", "genres")
TOWERS = {
    TOWER: EVERYTHING,
    CONTENT: EVERYTHING,
    BEHAVIOR: (),
    "two towers, no poster": ("title", "genres"),
    "two towers, no title": ("image", "genres"),
    "two towers, no genres": ("image", "title"),
}


def train_towers(name, seed, own_dropout):
    names = TOWERS[name]
    tower = build_tower(names) if names else None
    model = kf.models.TwoTower(num_users, num_items, tower, DIM, own=name != CONTENT, own_dropout=own_dropout)
    read = {key: value for key, value in inputs.items() if key.split("_")[0] in names}
    content = {key: keras.ops.convert_to_tensor(value) for key, value in read.items()}

    def with_content(x, y=None):
        x = {**x, **{key: keras.ops.take(value, x["item"], axis=0) for key, value in content.items()}}
        return x if y is None else (x, y)

    places = np.array_split(np.arange(num_items, dtype="int32"), -(-num_items // 2048))
    factors = partial(model.to_numpy, [with_content({"item": part}) for part in places])
    batches = kf.data.InteractionBatches(*data.pairs.T, batch_size=512, num_negatives=None, seed=seed).dataset()
    settings = {"learning_rate": 1e-2 if quick else 1e-3, "epochs": 20, "quick": quick}
    loss = kf.losses.SampledSoftmaxLoss()
    curves[name] = visual.train_ranking(model, batches.map(with_content), loss, factors, data, **settings)
    return model.tower, factors()


def choose_own_dropout(rates=(0.1, 0.5)):
    best = {}
    for rate in rates[: 1 if quick else None]:
        keras.utils.set_random_seed(0)
        train_towers(TOWER, 0, rate)
        best[rate] = max(curves.pop(TOWER).values())
    print(best)
    return max(best, key=best.get)


# %% [markdown]
# ## 7. Train

# %%
DROPPED = "share of own vectors dropped"
for seed in results.seeds:
    # A seed that an interrupted run has recorded already is not trained again.
    experiment, path = f"22_visual_recommending, seed {seed}", arguments.output_dir / f"users_{seed}.npz"
    if path.exists() and results.restore(experiment, seed):
        for key, values in np.load(path).items():
            ranked.setdefault(tuple(key.split("; ")), {})[seed] = values
        continue
    if seed == 0:
        evaluate_baselines()
        results.add(TOWER, DROPPED, choose_own_dropout(), n=num_users)
    own_dropout = next(row["value"] for row in results.rows if row["metric"] == DROPPED)
    keras.utils.set_random_seed(seed)
    lightgcn = kf.models.LightGCN(num_users, num_items, data.pairs, DIM, num_layers=2, l2=1e-7)
    settings = {"batch_size": 8192, "learning_rate": 0.03, "epochs": 60, "every": 4}
    evaluate("LightGCN", train_pairwise("LightGCN", lightgcn, seed, **settings), seed)
    vbpr = kf.models.VBPR(num_users, num_items, vectors, DIM, DIM)
    settings = {"batch_size": 4096, "learning_rate": 0.01, "epochs": 30}
    evaluate("VBPR", train_pairwise("VBPR", vbpr, seed, **settings), seed, content=True)
    for name in TOWERS:
        keras.utils.set_random_seed(seed)
        tower, factors = train_towers(name, seed, own_dropout)
        evaluate(name, rank_all(factors), seed, content=name != BEHAVIOR)
        if seed == 0 and name == TOWER:
            tower.save(arguments.output_dir / "tower.keras")
            np.savez(arguments.output_dir / "factors.npz", *factors)
            visual.save_learning_curves(arguments.output_dir / "learning_curves.png", curves)
    np.savez(path, **{"; ".join(key): values[seed] for key, values in ranked.items() if seed in values})
    results.record(experiment, seed)

# %% [markdown]
# ## 8. Results
#
# Gains are paired by user, with 95 % intervals of the bootstrap over users. Where a model has several seeds, their
# mean is compared: the interval covers other users, not other seeds.

# %%
for question in (ALL, NEW):
    recall, ndcg = data.chance(on, new=question == NEW)
    print(f"{question}: a random ranking has Recall@{K} {recall:.4f}, NDCG@{K} {ndcg:.4f}")
PAIRS = [(name, other, ALL) for name in ("LightGCN", "VBPR", "CMF", TOWER) for other in ("popularity", "item-kNN")]
PAIRS += [("VBPR", "LightGCN", ALL), (TOWER, "LightGCN", ALL), (TOWER, "CMF", ALL)]
PAIRS += [(TOWER, name, ALL) for name in TOWERS if name != TOWER]
PAIRS += [(TOWER, name, NEW) for name in ("VBPR", "JMF", JOINED)]
PAIRS += [(TOWER, name, NEW) for name in TOWERS if name not in (TOWER, BEHAVIOR)]
gains = []
for name, other, question in PAIRS:
    gain = kf.evaluation.ranking_difference(*(list(ranked[model, question].values()) for model in (name, other)))
    print(f"{question}, {name} against {other}: {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] {gain.verdict}")
    row = {"model": f"{name} against {other}", "metric": f"NDCG@{K} gained, {question}"}
    row |= {"value": gain.value, "low": gain.low, "high": gain.high}
    gains.append({**row, "n": len(ranked[name, question][0])})
_common.record(arguments.results, gains, "22_visual_recommending, gains", results.command)

# %% [markdown]
# `recall.png` shows both questions, and `learning_curves.png` the ranking of the validation split in training.

# %%
tables = {question: results.by_seed().xs(f"Recall@{K}, {question}", level="metric") for question in (ALL, NEW)}
chance = {question: data.chance(on, new=question == NEW)[0] for question in tables}
visual.save_ranking_bars(arguments.output_dir / "recall.png", tables, chance, tables[NEW].index)

# %% [markdown]
# ## 9. Serve it
#
# One SavedModel holds the factors of all users and films, and the tower for films that come later. `recommend` takes
# users; `score_item` takes a user and the bytes of a poster, a title and genres, whichever of them there are.

# %%
factors = np.load(arguments.output_dir / "factors.npz").values()
tower = keras.saving.load_model(arguments.output_dir / "tower.keras")
factors = GivenFactors(*factors, row_ids=data.user_ids, column_ids=data.item_ids)
factors.fit(data.table[["user", "item"]])
few = items.take(np.flatnonzero(data.new)[:4])
raw = few.raw_inputs()
version = write_recommender(factors, arguments.output_dir / "saved_model", k=6, tower=(tower, schema), examples=raw)
report = kf.verify(version)
print(report)

# %% [markdown]
# A user and a film that are not known, a poster that cannot be read and one that is missing each get a flag; the
# other rows of the request are not affected. (Posters belong to the studios: do not publish `recommended.png`.)

# %%
somebody = str(data.table["user"].iloc[0])
poster, title = raw["image_bytes"][0], raw["title"][0]
requests = {
    "poster and title": (somebody, poster, title),
    "unknown user": ("nobody", poster, title),
    "corrupt poster": (somebody, poster[:40], title),
    "no poster": (somebody, b"", title),
    "poster alone": (somebody, poster, b""),
}
columns = zip(*requests.values(), strict=True)
sent = {**dict(zip(("user", "image_bytes", "title"), columns, strict=True)), "genres": [b""] * len(requests)}
with CApiSession(version) as session:
    found = session.run("score_item", {name: list(values) for name, values in sent.items()})
    recommended = session.run("recommend", {"user": [somebody, "nobody"]})
    similar = session.run("similar_items", {"item": [str(data.item_ids[0]), "no such film"]})
for row, what in enumerate(requests):
    flags = {name: bool(found[name][row]) for name in ("known", "image_ok")}
    print(f"{what:18} score {found['score'][row]:7.3f}  {flags}")
print("similar films, known:", similar["known"].tolist())
ids = {str(item): item for item in data.item_ids}
rows = {
    f"watched by user {somebody}": list(data.table.loc[data.table["user"].astype(str) == somebody, "item"])[-6:],
    f"recommended to user {somebody}": [ids[item.decode()] for item in recommended["ids"][0]],
    "recommended to somebody unknown": [ids[item.decode()] for item in recommended["ids"][1]],
}
visual.save_posters(arguments.output_dir / "recommended.png", rows, films)

# %% [markdown]
# ## Try it yourself
#
# Count only ratings of four stars or more as interactions: does popularity still do as well? Drop the own vectors
# less often (`own_dropout=0.2`): what do the towers gain on all films, and lose on new ones? Cut all users at one
# date, and rank for new users by the mean of the factors of the films that they watched.

# %%
_common.finish(report.ok)
