# %% [markdown]
"""# Learning with few labels

- Article: 000, section 3.3
- What you will learn: pretraining on pairs, pseudo-labels and active learning, each against randomly chosen labels
- Time: ten minutes on one core (`--quick`: a minute)
- Data: images of parts with notes, drawn by the script

```shell
python experiments/15_few_labels.py            # about ten minutes on one core
python experiments/15_few_labels.py --quick    # a small run, to see it work
```

Labels are expensive (article 000, section 3.3); images with a few words about them often cost nothing. This tutorial
compares three ways to train with fewer labels. The baseline is the same network, trained from scratch on the same
number of randomly chosen rows.

| method                      | how it uses unlabelled rows              | here                              |
|-----------------------------|------------------------------------------|-----------------------------------|
| self-supervised pretraining | matches notes and images                 | `kf.transfer.transfer_weights`    |
| pseudo-labels               | confident predictions become labels      | `kf.transfer.pseudo_labels`       |
| active learning             | the least certain rows are labelled next | `kf.transfer.select_for_labeling` |

The command line offers pretraining too: `kerasfusion train --problem-type retrieval`, then `kerasfusion train
--init-from` with that run.
"""

# %%
import _common
import keras
import numpy as np
from _datasets import PARTS, draw_parts
from _figures import save_captioned, save_curves
from PIL import Image

import kerasfusion as kf
from kerasfusion.evaluation import calibrate, postprocess, predict_classes, predict_logits

parser = _common.tutorial_parser(__doc__, "15_few_labels", drawn=True, seeds=3)
parser.add_argument("--by", default="margin", help="uncertainty of active learning: margin or entropy")
parser.add_argument("--threshold", type=float, default=0.95, help="minimum probability of a pseudo-label")
parser.add_argument("--share", type=float, default=0.3, help="fraction of each predicted class to pseudo-label")
arguments = _common.parse(parser)
results = _common.Results(arguments, "15_few_labels", ["seeds", "by", "threshold", "share", "on"], "few_labels.csv")
budgets, threshold, repeats, epochs = [24, 48, 96, 192], arguments.threshold, 480, 15
sizes = {"train": 2000, "validation": 460, "test": 1000}
if arguments.quick:
    budgets, threshold, repeats, epochs = [40], 0.2, 64, 1
    sizes = {"train": 160, "validation": 80, "test": 40}

# %% [markdown]
# ## 1. The data
#
# A catalogue lists twelve parts, P01 to P12, each with its own color and shape. A row is an image in poor light and a
# careless note in which words are missing or wrong. Only an expert can tell the part number, and the expert's time is
# limited. Some parts are common and some are rare.

# %%
frequencies = 1 / np.arange(1, len(PARTS) + 1)
table = draw_parts(arguments.output_dir, sizes, silent=0.3, right=0.8, shares=frequencies)
shelf = arguments.output_dir / "shelf.csv"
table.drop(columns="named").to_csv(shelf, index=False)
roles = {"image": "image", "text": "note", "split": "split", "image_size": 32}
data = kf.data.load(shelf, label="part", **roles)
pairs = kf.data.load(shelf, problem_type="retrieval", **roles)
(part,) = data.schema.tasks
print(data.splits["train"].frame["part"].value_counts().to_dict())

# %% [markdown]
# The table holds the labels of all rows because we drew them, but a method sees only as many as its budget allows.
# Sixty validation rows select the best epoch and fit a temperature, for every method alike.

# %%
pool, validation = data.splits["train"], data.splits["validation"]
held_out = validation.take(np.arange(60))
test = data.splits["test"] if arguments.on == "test" else validation.take(np.arange(60, len(validation)))
results.n = len(test)

# %% [markdown]
# ## 2. Training on the labelled rows
#
# The classifier averages word embeddings, encodes the image with a small CNN and concatenates both. Labelled rows are
# repeated so that every training takes the same number of steps, whatever the number of labels. `calibrate` fits the
# temperature: without it the probabilities of a network that saw few rows are far too high.

# %%
ENCODERS = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (16, 32, 64)}}


def train_classifier(rows, seed, pretrained=None, pseudo=None):
    """Train on the rows of the pool at these positions.

    Args:
        rows: Positions in `pool`; their labels are used.
        seed: Seed of the weights and the batch order.
        pretrained: Dual encoder to take the encoders' weights from. Defaults to training from scratch.
        pseudo: `Examples` with pseudo-labels to train on as well.
    """
    keras.utils.set_random_seed(seed)
    model = kf.models.fusion_model(data.schema, **ENCODERS, units=64)
    if pretrained is not None:
        kf.transfer.transfer_weights(model, pretrained, data.schema, pairs.schema)
    train = pool.take(np.resize(rows, max(repeats, len(rows))))
    if pseudo is not None:
        train = kf.data.concatenate([train, pseudo])
    config = kf.training.TrainingConfig(
        epochs=max(1, round(epochs * repeats / len(train))), batch_size=32, patience=None, seed=seed
    )
    kf.training.fit(model, train, held_out, config, arguments.output_dir / "fit", verbose=0)
    calibrate(model, held_out)
    return model


def accuracy(model):
    outputs = postprocess(model, predict_logits(model, test))[part.name]
    return float(np.mean(predict_classes(part, outputs) == test.labels[part.name]))


# %% [markdown]
# ## 3. Three ways to use the unlabelled rows
#
# *Pretraining.* A dual encoder learns which note belongs to which image (InfoNCE loss), on all rows and without
# labels. Its encoders have the same names as those of the classifier, so `transfer_weights` copies their weights;
# fusion and head start from scratch.


# %%
def pretrain(seed):
    keras.utils.set_random_seed(seed)
    model = kf.models.dual_encoder(pairs.schema, **ENCODERS, units=64)
    config = kf.training.TrainingConfig(epochs=1 if arguments.quick else 12, patience=None, seed=seed)
    splits = pairs.splits["train"], pairs.splits["validation"]
    kf.training.fit(model, *splits, config, arguments.output_dir / "pairs", verbose=0)
    return model


# %% [markdown]
# *Pseudo-labels.* The classifier predicts the unlabelled rows, and its confident predictions become labels. There are
# two ways to choose them. A probability threshold mostly selects easy rows of common parts, which makes the
# classifier even more biased toward these. A fixed fraction of each predicted class keeps the class proportions, at
# the price of more wrong labels. The fraction 0.3 was selected on the validation split, from 0.3 and 0.6 (`--on
# validation`).


# %%
def unlabelled_rows(rows):
    """Return the positions that are not among `rows`, and these `Examples` without labels."""
    others = np.setdiff1d(np.arange(len(pool)), rows)
    return others, pool.take(others).without_labels()


def pseudo_label(model, rows, **how):
    """Return `Examples` with pseudo-labels, and the fraction that is right (used for reporting only)."""
    pseudo, _ = kf.transfer.pseudo_labels(model, unlabelled_rows(rows)[1], **how)
    truth = pool.frame.loc[pseudo.frame.index, "part"]
    return pseudo, float((pseudo.frame["part"] == truth).mean()) if len(pseudo) else None


# %% [markdown]
# *Active learning.* The rows to label next are those where the two most likely parts have the most similar
# probabilities (margin sampling). The first rows are chosen at random, because the uncertainty of an untrained
# network says nothing.


# %%
def ask(model, rows, count):
    """Return the labelled positions and `count` more, which the model is least certain about."""
    others, unlabelled = unlabelled_rows(rows)
    return np.r_[rows, others[kf.transfer.select_for_labeling(model, unlabelled, count, strategy=arguments.by)]]


# %% [markdown]
# ## 4. Learning curves
#
# Each budget includes the labels of the smaller ones. *All three* starts from the pretrained encoders, selects rows
# by active learning and adds pseudo-labels.

# %%
RANDOM, PAIRS, ASKED, ALL = "rows by chance", "pretrained on pairs", "rows asked for", "all three"
PSEUDO = {
    "pseudo-labels above a threshold": {"threshold": threshold},
    "pseudo-labels by share": {"fraction": arguments.share},
}
METHODS = [RANDOM, PAIRS, *PSEUDO, ASKED, ALL]


def learning_curve(seed):
    """Train all methods with all budgets, add their scores, and return the last model of `ALL`."""

    def add(method, metric, value, n=None):
        results.add(f"{method}, {budget} labels", metric, value, n, seed)

    dual_encoder = pretrain(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    asked = asked_by_all = order[: budgets[0]]
    for budget, following in zip(budgets, [*budgets[1:], None], strict=True):
        rows = order[:budget]
        baseline = train_classifier(rows, seed)
        add(RANDOM, "accuracy", accuracy(baseline))
        pretrained = train_classifier(rows, seed, dual_encoder)
        add(PAIRS, "accuracy", accuracy(pretrained))
        for method, how in PSEUDO.items():
            pseudo, right = pseudo_label(baseline, rows, **how)
            add(method, "labels given", len(pseudo), len(pool) - budget)
            if len(pseudo):
                add(method, "labels given that are right", right, len(pseudo))
            model = train_classifier(rows, seed, pseudo=pseudo) if len(pseudo) else baseline
            add(method, "accuracy", accuracy(model))

        # The first budget is random for active learning as well.
        first = budget == budgets[0]
        active = baseline if first else train_classifier(asked, seed)
        add(ASKED, "accuracy", accuracy(active))
        together = pretrained if first else train_classifier(asked_by_all, seed, dual_encoder)
        pseudo, _ = pseudo_label(together, asked_by_all, fraction=arguments.share)
        model = train_classifier(asked_by_all, seed, dual_encoder, pseudo)
        add(ALL, "accuracy", accuracy(model))
        if following:
            asked = ask(active, asked, following - budget)
            asked_by_all = ask(together, asked_by_all, following - budget)
    budget = len(pool)
    add(RANDOM, "accuracy", accuracy(train_classifier(np.arange(budget), seed)))
    return model


for seed in results.seeds:
    # A seed that an interrupted run has recorded already is not trained again.
    path = arguments.output_dir / f"model_{seed}.keras"
    if not (path.exists() and results.restore(f"15_few_labels, seed {seed}", seed)):
        learning_curve(seed).save(path)
        results.record(f"15_few_labels, seed {seed}", seed)

# %% [markdown]
# ## 5. Results
#
# The gain is the difference from the baseline with the same budget, paired by seed. Read its 95 % interval: with
# three seeds only large gains exclude zero.

# %%
accuracies = results.by_seed().xs("accuracy", level="metric")
for budget in budgets:
    rows = accuracies.loc[[f"{method}, {budget} labels" for method in METHODS]]
    _common.print_gains(rows, lambda name: f"{RANDOM}, {name.split(', ')[1]}")
top = accuracies.loc[f"{RANDOM}, {len(pool)} labels"].mean()
print(f"  {'all labels':54} {top:6.1%}")
curves = {m: accuracies.loc[[f"{m}, {budget} labels" for budget in budgets]].set_axis(budgets) for m in METHODS}
save_curves(arguments.output_dir / "few_labels.png", curves, (f"all {len(pool):,} labels", top), "labels")

# %% [markdown]
# `asked_for.png` shows the eight rows that the model is least certain about, and below the eight most certain ones.
# The caption gives the note and, in parentheses, the true part.

# %%
model = keras.saving.load_model(arguments.output_dir / "model_0.keras")
ranking = kf.transfer.select_for_labeling(model, pool, len(pool), strategy=arguments.by)
shown = pool.take(np.r_[ranking[:8], ranking[-8:]])
images = [Image.open(arguments.output_dir / name) for name in shown.frame["image"]]
parts = [" ".join(PARTS[label]) for label in shown.labels[part.name]]
captions = [f"{note}\n({name})" for note, name in zip(shown.frame["note"], parts, strict=True)]
save_captioned(
    arguments.output_dir / "asked_for.png", images, captions, "least certain (above), most certain (below)"
)

# %% [markdown]
# ## 6. Serve it
#
# The SavedModel does not depend on where the labels came from.

# %%
raw = test.take(np.arange(4)).raw_inputs()
report = kf.verify(kf.serving.export_model(model, data.schema, arguments.output_dir / "saved_model", raw))
print(report)

# %% [markdown]
# ## Try it yourself
#
# Make all parts equally frequent (`frequencies`): does the threshold still hurt? Margin sampling may select many
# similar rows: take every tenth of the 200 least certain ones instead. Remove `calibrate`: how many pseudo-labels are
# above the threshold then, and how many are right?

# %%
_common.finish(report.ok)
