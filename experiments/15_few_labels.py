# %% [markdown]
"""# Learning with few labels

- Article: 000, section 3.3
- What you will learn: pretraining on pairs, pseudo-labels, uncertainty sampling, each against random rows
- Time: ten minutes on one core (`--quick`: a minute)
- Data: drawn parts

```shell
python experiments/15_few_labels.py            # about ten minutes on one core
python experiments/15_few_labels.py --quick    # to see it run
```

Labels are what costs (article 000, section 3.3); images with a few words about them come for nothing. Three ways to
do with fewer, each of some lines, against the same network from scratch on as many rows chosen by chance:

| way                         | what is learned without labels           | here                              |
|-----------------------------|------------------------------------------|-----------------------------------|
| self-supervised pretraining | which note belongs to which image        | a dual encoder, then              |
|                             |                                          | `kf.transfer.transfer_weights`    |
| pseudo-labels               | confident predictions become labels      | `kf.transfer.pseudo_labels`       |
| active learning             | the most uncertain rows are labeled next | `kf.transfer.select_for_labeling` |

On the command line: `kerasfusion train --problem-type retrieval`, then `kerasfusion train --init-from` that run.
"""

# %%
import dataclasses

import _common
import keras
import numpy as np
import pandas as pd
from _datasets import PARTS, draw_parts
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

import kerasfusion as kf
from kerasfusion.evaluation import calibrate, postprocess, predict_classes, predict_logits
from kerasfusion.serving.exporting import export_model

parser = _common.tutorial_parser(__doc__, "15_few_labels", drawn=True)
parser.add_argument("--seeds", type=int, default=3, help="of the weights, the order and the choice of labels")
parser.add_argument("--by", default="margin", help="what is asked for: margin or entropy")
parser.add_argument("--threshold", type=float, default=0.95, help="least probability of a pseudo-label")
parser.add_argument("--share", type=float, default=0.3, help="or share of each answer that becomes pseudo-labels")
parser.add_argument("--on", choices=["test", "validation"], default="test", help="the split that is scored")
arguments = _common.parse(parser)
seeds = range(1 if arguments.quick else arguments.seeds)
budgets, threshold = (24, 48, 96, 192), arguments.threshold
sizes = {"train": 2000, "validation": 460, "test": 1000}
if arguments.quick:
    budgets, threshold, sizes = (40,), 0.2, {"train": 160, "validation": 80, "test": 40}

# %% [markdown]
# ## 1. A shelf, and somebody who knows the catalogue
#
# Twelve parts, each of one color and one shape of the shapes world. A row is an image in bad light and a note that
# somebody made without care: words are left out, and some are wrong. Which part it is, P01 to P12, says only who
# knows the catalogue, and has little time. As in any store there is much of some parts and little of others.

# %%
SHARES = 1 / np.arange(1, len(PARTS) + 1)


table = draw_parts(arguments.output_dir, sizes, silent=0.3, right=0.8, shares=SHARES)
shelf = arguments.output_dir / "shelf.csv"
table.drop(columns="named").to_csv(shelf, index=False)
data = kf.data.load(shelf, image="image", text="note", label="part", split="split", image_size=32)
pairs = kf.data.load(shelf, image="image", text="note", split="split", problem_type="retrieval", image_size=32)
(part,) = data.schema.tasks
print(data.splits["train"].frame.head(4).to_string(index=False))
print(data.splits["train"].frame["part"].value_counts().to_dict())

# %% [markdown]
# All rows are labelled in the table, because we drew them; only as many are looked at as the budget says. Sixty rows
# more, of the validation split, choose the best epoch and fit a temperature, in every case alike.

# %%
pool = data.splits["train"]
validation = data.splits["validation"]
held_out, test = validation.take(np.arange(60)), validation.take(np.arange(60, len(validation)))
if arguments.on == "test":
    test = data.splits["test"]

# %% [markdown]
# ## 2. The network, and the ways to train it
#
# Words averaged, a small CNN, concatenated. Every training takes as many steps, be the labels many or few: rows come
# again as often as need be.

# %%
BRANCHES = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (16, 32, 64)}}
ROWS, EPOCHS = (64, 1) if arguments.quick else (480, 15)


def learn(start, labelled, seed, own=None):
    """A new network, trained on labelled rows, and on others beside them that it labelled itself.

    Args:
        start: A dual encoder whose branches it begins with; None begins from scratch.
        labelled: `Examples`.
        seed: Of the weights and the order.
        own: `Examples` from `pseudo_labels`; None, none.
    """
    keras.utils.set_random_seed(seed)
    model = kf.models.fusion_model(data.schema, **BRANCHES, units=64)
    if start is not None:
        kf.transfer.transfer_weights(model, start, data.schema, pairs.schema)
    rows = labelled.take(np.resize(np.arange(len(labelled)), max(ROWS, len(labelled))))
    rows = rows if own is None else kf.data.concatenate([rows, own])
    epochs = max(1, round(EPOCHS * ROWS / len(rows)))
    config = kf.training.TrainingConfig(epochs=epochs, batch_size=32, patience=None, seed=seed)
    kf.training.fit(model, rows, held_out, config, arguments.output_dir / "fit", verbose=0)
    calibrate(model, held_out)
    return model


# %% [markdown]
# *Pretraining*: a dual encoder learns to tell which note belongs to which image (InfoNCELoss), on all 2,000 rows. Its
# branches, `encode_text` and `encode_image`, have the names of those of the classifier, so `transfer_weights` finds
# their
# place; fusion and head are new.


# %%
def pretrained(seed):
    keras.utils.set_random_seed(seed)
    model = kf.models.dual_encoder(pairs.schema, **BRANCHES, units=64)
    config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, patience=None, seed=seed)
    splits = [pairs.splits["train"], pairs.splits["validation"]]
    kf.training.fit(model, *splits, config, arguments.output_dir / "pairs", verbose=0)
    return model


# %% [markdown]
# *Pseudo-labels*: the network answers all other rows, and what it is sure of becomes the label: answers above a
# threshold, or of each answer the surest rows. Above a threshold are mostly rows of common parts that are easy to
# see; a network that learns from these may believe in common parts the more. A share of each answer has more mistakes
# in it, and keeps the proportions. The share was chosen on the validation split, of 0.3 and 0.6 (`--on validation`).
#
# The true labels of these rows are taken away before; how many were right is counted afterwards, for the report.


# %%
def unlabelled(rows):
    others = np.setdiff1d(np.arange(len(pool)), rows)
    return dataclasses.replace(pool.take(others), labels={}, weights={}), others


def labelled_by(model, rows, **sure):
    """The rows that it labels itself, a table of counts, and which are right."""
    found, counts = kf.transfer.pseudo_labels(model, unlabelled(rows)[0], **sure)
    truth = pool.frame.loc[found.frame.index, "part"]
    return found, counts, (found.frame["part"] == truth).to_numpy()


# %% [markdown]
# *Active learning*: of the rows without a label those are labelled next whose two likeliest parts are nearest to each
# other. The first rows are chosen by chance: a network that knows nothing has no doubts worth asking for.


# %%
def ask(model, rows, count):
    """The labelled rows, and so many more that it asks for."""
    rest, others = unlabelled(rows)
    return np.r_[rows, others[kf.transfer.select_for_labeling(model, rest, count, strategy=arguments.by)]]


# %% [markdown]
# ## 3. The curve


# %%
def accuracy(model):
    found = postprocess(model, predict_logits(model, test))[part.name]
    return float(np.mean(predict_classes(part, found) == test.labels[part.name]))


command = f"python experiments/15_few_labels.py --seeds {arguments.seeds} --by {arguments.by}"
command += f" --threshold {arguments.threshold} --share {arguments.share} --on {arguments.on}"
command += " --quick" * arguments.quick
command += " --results experiments/results/few_labels.csv"
# What an interrupted run has recorded with the same command is not made again.
recorded = _common.recorded(arguments.results)
CHANCE, PAIRS, ASKED, ALL = "rows by chance", "pretrained on pairs", "rows asked for", "all three"
ABOVE, SHARED = "pseudo-labels above a threshold", "pseudo-labels by share"
figures = []

for seed in seeds:
    experiment, kept = f"15_few_labels, seed {seed}", arguments.output_dir / f"model_{seed}.keras"
    before = [row for row in recorded if (row["experiment"], row["command"]) == (experiment, command)]
    if before and kept.exists():
        figures += [{**row, "value": float(row["value"]), "seed": seed} for row in before]
        continue
    rows = []

    def add(name, budget, metric, value, n, seed=seed, rows=rows):
        print(f"seed {seed}: {name:32} {budget:5} labels  {metric:26} {value:.3f}")
        rows.append({"model": f"{name}, {budget} labels", "metric": metric, "value": value, "n": n, "seed": seed})

    def score(name, budget, model, add=add):
        add(name, budget, "accuracy", accuracy(model), len(test))

    dual = pretrained(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    asked = asked_by_pretrained = order[: budgets[0]]
    for budget in budgets:
        chosen = order[:budget]
        by_chance = learn(None, pool.take(chosen), seed)
        score(CHANCE, budget, by_chance)
        from_pairs = learn(dual, pool.take(chosen), seed)
        score(PAIRS, budget, from_pairs)
        for name, sure in ((ABOVE, {"threshold": threshold}), (SHARED, {"fraction": arguments.share})):
            own, counts, right = labelled_by(by_chance, chosen, **sure)
            add(name, budget, "labels given", len(own), len(pool) - budget)
            if len(own):
                add(name, budget, "labels given that are right", float(right.mean()), len(own))
            score(name, budget, learn(None, pool.take(chosen), seed, own) if len(own) else by_chance)

        first = budget == budgets[0]
        asking = by_chance if first else learn(None, pool.take(asked), seed)
        score(ASKED, budget, asking)
        together = from_pairs if first else learn(dual, pool.take(asked_by_pretrained), seed)
        own, counts, right = labelled_by(together, asked_by_pretrained, fraction=arguments.share)
        model = learn(dual, pool.take(asked_by_pretrained), seed, own)
        score(ALL, budget, model)
        if budget != budgets[-1]:
            more = budgets[budgets.index(budget) + 1] - budget
            asked = ask(asking, asked, more)
            asked_by_pretrained = ask(together, asked_by_pretrained, more)
    score(CHANCE, len(pool), learn(None, pool, seed))
    print(f"\nLabels given by the last network of seed {seed}:\n{counts.to_string(index=False)}\n")
    model.save(kept)
    figures += rows
    if arguments.results:
        # At once, and not at the end.
        _common.record(arguments.results, rows, experiment, command, seed)

# %% [markdown]
# ## 4. What was found
#
# Differences from the same network on as many rows chosen by chance, seed by seed, with the 95 % interval that
# Student's t gives for so few seeds.

# %%
values = pd.DataFrame(figures).pivot_table(index=["model", "metric"], columns="seed", values="value")
accuracies = values.xs("accuracy", level="metric")
print(f"\nAccuracy on {len(test):,} rows")
for budget in budgets:
    for name in (CHANCE, PAIRS, ABOVE, SHARED, ASKED, ALL):
        found = accuracies.loc[f"{name}, {budget} labels"]
        gain = (found - accuracies.loc[f"{CHANCE}, {budget} labels"]).to_numpy()
        line = f"  {budget:5} labels  {name:32} {found.mean():6.1%}"
        if name != CHANCE:
            line += f"  {gain.mean():+6.1%}"
            if len(gain) > 1:
                reach = stats.t.ppf(0.975, len(gain) - 1) * stats.sem(gain)
                line += f" [{gain.mean() - reach:+.1%}, {gain.mean() + reach:+.1%}]"
        print(line)
top = accuracies.loc[f"{CHANCE}, {len(pool)} labels"].mean()
print(f"  {len(pool):5} labels  {'all there are':32} {top:6.1%}")

figure = Figure(figsize=(7, 4.2), layout="constrained")
axes = figure.subplots()
styles = {CHANCE: ("#9aa4b2", "-"), PAIRS: ("#1f6feb", "-"), ASKED: ("#cf222e", "-"), ABOVE: ("#bf8700", ":")}
for name, (color, line) in {**styles, SHARED: ("#bf8700", "-"), ALL: ("#1f2328", "--")}.items():
    curve = accuracies.loc[[f"{name}, {budget} labels" for budget in budgets]]
    axes.plot(budgets, curve.mean(axis=1), line, marker="o", ms=4, color=color, label=name)
    axes.fill_between(budgets, curve.min(axis=1), curve.max(axis=1), color=color, alpha=0.12, lw=0)
axes.axhline(top, color="#9aa4b2", ls=":", label=f"all {len(pool):,} labels")
axes.set(xlabel="labels (bands: the seeds)", ylabel="accuracy", xscale="log")
axes.set_xticks(budgets, budgets)
axes.minorticks_off()
axes.grid(alpha=0.3)
axes.legend(frameon=False)
figure.savefig(arguments.output_dir / "few_labels.png", dpi=120)

# %% [markdown]
# What a network asks for, and what it is sure of: the first and the last rows in the order of its doubts.

# %%
model = keras.saving.load_model(arguments.output_dir / "model_0.keras")
doubts = kf.transfer.select_for_labeling(model, pool, len(pool), strategy=arguments.by)
figure = Figure(figsize=(10, 3.6), layout="constrained")
for place, row in enumerate(np.r_[doubts[:8], doubts[-8:]]):
    axes = figure.add_subplot(2, 8, place + 1)
    axes.imshow(Image.open(arguments.output_dir / pool.frame["image"].iloc[row]))
    axes.set_title(f"{pool.frame['note'].iloc[row]}\n({' '.join(PARTS[pool.labels['label'][row]])})", fontsize=6)
    axes.axis("off")
figure.suptitle("asked for (above), and sure of (below); in brackets what it is", fontsize=9)
figure.savefig(arguments.output_dir / "asked_for.png", dpi=120)
print(f"\nImages: {arguments.output_dir}/few_labels.png, asked_for.png")

# %% [markdown]
# ## 5. A SavedModel
#
# Where the labels came from leaves no trace in it.

# %%
raw = {
    "image_bytes": [test.banks["image"].encoded(place) for place in test.images["image"][:4]],
    "text": [note.encode() for note in test.raw(data.schema["text"])[:4]],
}
report = kf.verify(export_model(model, data.schema, arguments.output_dir / "saved_model", raw))
print(report)

# %% [markdown]
# ## What to change
#
# As much of each part (`SHARES`): what becomes of the threshold? Twenty rows asked for at a time may be twenty of a
# kind: choose each tenth of the two hundred most doubtful. Leave `calibrate` out: how many labels are given above the
# threshold then, and how many are right?

# %%
_common.finish(report.ok)
