# %% [markdown]
"""# Missing modalities

- Article: 000, sections 1.2 and 2.1
- What you will learn: append predicted tags to a text, or impute the embedding of a missing image
- Time: some minutes on one core (`--quick`: a minute)
- Data: drawn parts

```shell
python experiments/16_modal_augmentation.py            # some minutes on one core
python experiments/16_modal_augmentation.py --quick    # to see it run
```

The article calls it modal augmentation, in one sentence and without code: the output of one modality becomes an input
of the other. Both ways are here, learned from images with notes that nobody has labelled, and asked for where they
should help most: where a row lacks its image or its note. They must beat what each fusion here does already, a
learned vector in the place of whatever is missing (modality dropout), and that with branches that were trained on the
same pairs.

| the article                    | here                                                 | must beat           |
|--------------------------------|------------------------------------------------------|---------------------|
| the image's output as a text | tags that are seen are written behind the note:      | the learned vector, |
|                                | `kf.transfer.append_tags`                            | without a note      |
| the text's output as an image | the vector of an image that is not there, predicted | the learned vector, |
|                                | from the note: `kf.transfer.impute_modality`                 | without an image   |
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
from sklearn.metrics import f1_score, r2_score

import kerasfusion as kf
from kerasfusion.evaluation import calibrate, decode_predictions, postprocess, predict_classes, predict_logits
from kerasfusion.serving import CApiSession
from kerasfusion.serving.exporting import export_model

parser = _common.tutorial_parser(__doc__, "16_modal_augmentation", drawn=True)
parser.add_argument("--seeds", type=int, default=3, help="of the weights, the order and the choice of labels")
parser.add_argument("--labels", type=int, default=120, help="rows with a label")
parser.add_argument("--on", choices=["test", "validation"], default="test", help="the split that is scored")
arguments = _common.parse(parser)
seeds = range(1 if arguments.quick else arguments.seeds)
sizes = {"train": 2000, "validation": 460, "test": 1000}
if arguments.quick:
    sizes = {"train": 160, "validation": 80, "test": 40}

# %% [markdown]
# ## 1. A store room
#
# Twelve parts, each of one color and one shape of the shapes world. A row is an image in bad light and a note that
# somebody made without care: words are left out, and some are wrong. Of the training rows 120 say which part it is.

# %%
table = draw_parts(arguments.output_dir, sizes, silent=0.2, right=0.85)
print(table.head(4).to_string(index=False), "\n")
shelf = {"image": "image", "split": "split", "image_size": 32}
data = kf.data.load(table, text="note", label="part", **shelf)
pairs = kf.data.load(table, text="note", problem_type="retrieval", **shelf)
tagged = kf.data.load(table, text=[], label="named", problem_type="multilabel", **shelf)
(part,), (tags,) = data.schema.tasks, tagged.schema.tasks
validation = data.splits["validation"]
held_out, test = validation.take(np.arange(60)), validation.take(np.arange(60, len(validation)))
if arguments.on == "test":
    test = data.splits["test"]


def without(examples, name):
    """The rows as if they had never had their image, or their note."""
    if name == "image":
        return dataclasses.replace(examples, images={"image": np.full(len(examples), -1, "int32")})
    return dataclasses.replace(examples, text={"text": np.zeros_like(examples.text["text"])})


ASKED = {"whole": test, "without the note": without(test, "text"), "without the image": without(test, "image")}

# %% [markdown]
# ## 2. From pairs without labels
#
# *Tags*: which words a note has is told from the image alone, by a network with a probability for each word. Notes
# are careless, but what they have in common is what can be seen.
#
# *Branches*: a dual encoder learns which note belongs to which image (tutorial 15). Whoever has pairs can do that
# in place of all that is tried here, so it is no fair comparison to leave it out: each way is tried from scratch and
# from these branches.

# %%
BRANCHES = {"text_encoder": "average", "image_encoder": {"name": "small_cnn", "filters": (16, 32, 64)}}


def network(schema):
    return kf.models.fusion_model(schema, **BRANCHES, units=64)


def learn(model, train, validation, seed, epochs, dropout=0.0):
    epochs = 1 if arguments.quick else epochs
    config = kf.training.TrainingConfig(
        epochs=epochs, batch_size=32, patience=None, seed=seed, modality_dropout=dropout
    )
    kf.training.fit(model, train, validation, config, arguments.output_dir / "fit", verbose=0)
    return model


# %% [markdown]
# ## 3. Six networks for the same 120 labels
#
# In training a third of the rows loses its image and a third its note.
#
# - *Learned vector*: a fusion puts the same vector, learned in training, in the place of what is missing.
# - *Tags appended*: the reader finds behind the note what the tagger sees; without a note, that alone. The tagger
#   stands inside of the network, frozen.
# - *Vectors predicted*: the network of the learned vector, unchanged, but what would have come from the branch of the
#   missing modality is predicted from the other one's, by a ridge regression on the pairs. Both ways.
# - *Tags and vectors*: tags for notes, vectors for images.
# - *Whole rows alone*: trained without any loss of modalities, so that the vector for what is missing was never
#   learned. Many a network in use is one of these; nothing has to be trained again to predict its vectors.


# %%
def accuracies(model):
    """Condition -> accuracy."""
    found = {}
    for condition, examples in ASKED.items():
        answer = postprocess(model, predict_logits(model, examples))[part.name]
        found[condition] = float(np.mean(predict_classes(part, answer) == test.labels[part.name]))
    return found


def both_ways(model, rows):
    """Image from note and note from image."""
    model = kf.transfer.impute_modality(model, rows, missing="image", given="text")
    return kf.transfer.impute_modality(model, rows, missing="text", given="image")


command = f"python experiments/16_modal_augmentation.py --seeds {arguments.seeds} --labels {arguments.labels}"
command += f" --on {arguments.on}" + " --quick" * arguments.quick
command += " --results experiments/results/modal_augmentation.csv"
# What an interrupted run has recorded with the same command is not made again.
recorded = _common.recorded(arguments.results)
TOKEN, TAGS, VECTORS, BOTH = "learned vector", "tags appended", "vectors predicted", "tags and vectors"
WHOLE, FROM_PAIRS = "whole rows alone", ", branches from pairs"
figures = []

for seed in seeds:
    experiment, kept = f"16_modal_augmentation, seed {seed}", arguments.output_dir / f"model_{seed}.keras"
    before = [row for row in recorded if (row["experiment"], row["command"]) == (experiment, command)]
    if before and kept.exists():
        figures += [{**row, "value": float(row["value"]), "seed": seed} for row in before]
        continue
    splits = [pairs.splits["train"], pairs.splits["validation"]]
    keras.utils.set_random_seed(seed)
    dual = learn(kf.models.dual_encoder(pairs.schema, **BRANCHES, units=64), *splits, seed, epochs=24)
    keras.utils.set_random_seed(seed)
    tagger = learn(network(tagged.schema), tagged.splits["train"], tagged.splits["validation"], seed, epochs=24)

    # Labelled rows come again as often as need be, so that an epoch is long enough to be one.
    pool = data.splits["train"]
    chosen = np.random.default_rng(seed).permutation(len(pool))[: arguments.labels]
    labelled = pool.take(np.resize(chosen, 64 if arguments.quick else 480))
    unlabelled = dataclasses.replace(pool, labels={}, weights={})
    models = {}
    for start in ("",) if arguments.quick else ("", FROM_PAIRS):
        for name, dropout in ((TOKEN, 2 / 3), (TAGS, 2 / 3), (WHOLE, 0.0)):
            keras.utils.set_random_seed(seed)
            model = network(data.schema)
            if name == TAGS:
                model = kf.transfer.append_tags(tagger, tags, data.schema, network)
            if start:
                kf.transfer.transfer_weights(model, dual)
            models[name + start] = learn(model, labelled, held_out, seed, 20, dropout)
        models[VECTORS + start] = both_ways(models[TOKEN + start], unlabelled)
        models[BOTH + start] = kf.transfer.impute_modality(
            models[TAGS + start], unlabelled, missing="image", given="text"
        )
        models[f"{WHOLE}, then {VECTORS}{start}"] = both_ways(models[WHOLE + start], unlabelled)
    rows = []
    for name, model in models.items():
        for condition, value in accuracies(model).items():
            row = {"model": name, "metric": f"accuracy, {condition}", "value": value, "n": len(test)}
            rows.append({**row, "seed": seed})
            print(f"seed {seed}: {name:52} {condition:20} {value:6.1%}")

    # How good is what goes from one to the other? Of the tags, F1 over what the images show. Of a vector, the share
    # of its variance over the test rows that is predicted.

    said = predict_classes(tags, postprocess(tagger, predict_logits(tagger, test))[tags.name])
    shown = [{*PARTS[place]} for place in test.labels[part.name]]
    truth = np.array([[word in words for word in tags.classes] for words in shown])
    quality = {"F1 of the tags": f1_score(truth, said, average="micro", zero_division=0)}
    vectors = {
        name: kf.transfer.extract_features(models[TOKEN], f"encode_{name}", test) for name in ("text", "image")
    }
    imputers = {missing: layer for missing, _, layer in models[VECTORS].imputers}
    for name, other, what in (("image", "text", "images"), ("text", "image", "notes")):
        guess = imputers[name].dense(vectors[other])
        quality[f"R² of the {what}' vectors"] = r2_score(vectors[name], guess, multioutput="variance_weighted")
    for metric, value in quality.items():
        rows.append({"model": "what is passed on", "metric": metric, "value": float(value), "n": len(test)})
        print(f"seed {seed}: {metric} {value:.2f}")
    model = models[BOTH + start]
    calibrate(model, held_out)
    model.save(kept)
    if seed == 0:
        pd.DataFrame({"said": decode_predictions(tags, said)}).to_csv(arguments.output_dir / "said.csv", index=False)
    figures += [{**row, "seed": seed} for row in rows]
    if arguments.results:
        # At once, and not at the end.
        _common.record(arguments.results, rows, experiment, command, seed)

# %% [markdown]
# ## 4. What was found
#
# Against the learned vector from the same branches, and of the networks of whole rows against these: differences seed
# by seed, with the 95 % interval that Student's t gives for so few.

# %%
found = pd.DataFrame(figures)
found = found[found["metric"].str.startswith("accuracy")]
values = found.pivot_table(index=["model", "metric"], columns="seed", values="value", sort=False)
for condition in ASKED:
    print(f"\n{condition.capitalize()}, accuracy on {len(test):,} rows")
    part_of = values.xs(f"accuracy, {condition}", level="metric")
    for name, own in part_of.iterrows():
        reference = (WHOLE if name.startswith(WHOLE) else TOKEN) + FROM_PAIRS * name.endswith(FROM_PAIRS)
        gain = (own - part_of.loc[reference]).to_numpy()
        line = f"  {name:52} {own.mean():6.1%}"
        if name != reference:
            line += f"  {gain.mean():+6.1%}"
            if len(gain) > 1:
                reach = stats.t.ppf(0.975, len(gain) - 1) * stats.sem(gain)
                line += f" [{gain.mean() - reach:+.1%}, {gain.mean() + reach:+.1%}]"
        print(line)

figure = Figure(figsize=(11, 4), layout="constrained")
for axes, condition in zip(figure.subplots(1, 3, sharey=True), ASKED, strict=True):
    by_seed = values.xs(f"accuracy, {condition}", level="metric")[::-1]
    shown = by_seed.mean(axis=1)
    colors = ["#1f6feb" if any(way in name for way in (TAGS, VECTORS, BOTH)) else "#9aa4b2" for name in shown.index]
    axes.barh(shown.index, shown, color=colors, alpha=0.6)
    for place, (mean, seeds_of) in enumerate(zip(shown, by_seed.to_numpy(), strict=True)):
        axes.plot(seeds_of, [place] * len(seeds_of), ".", color="#1f2328", ms=3)
        axes.text(1.02, place, f"{mean:.0%}", va="center", fontsize=7)
    axes.set(title=condition, xlabel="accuracy (dots: the seeds)", xlim=(0, 1.15))
    axes.tick_params(labelsize=7)
figure.savefig(arguments.output_dir / "modal_augmentation.png", dpi=120)

# %% [markdown]
# What the tagger says of some test images, and what the notes say.

# %%
said = pd.read_csv(arguments.output_dir / "said.csv", keep_default_na=False)["said"]
figure = Figure(figsize=(10, 2), layout="constrained")
for place, axes in enumerate(figure.subplots(1, 8)):
    axes.imshow(Image.open(arguments.output_dir / test.frame["image"].iloc[place]))
    axes.set_title(f"{test.frame['note'].iloc[place]}\n[{said[place]}]", fontsize=6)
    axes.axis("off")
figure.savefig(arguments.output_dir / "tags.png", dpi=120)
print(f"\nImages: {arguments.output_dir}/modal_augmentation.png, tags.png")

# %% [markdown]
# ## 5. A SavedModel
#
# Tags and vectors are part of the graph: a server gets an image, a note or both, and nothing has to be said about
# what is missing.

# %%
model = keras.saving.load_model(arguments.output_dir / "model_0.keras")
raw = {
    "image_bytes": [test.banks["image"].encoded(place) for place in test.images["image"][:4]],
    "text": [note.encode() for note in test.raw(data.schema["text"])[:4]],
}
version = export_model(model, data.schema, arguments.output_dir / "saved_model", raw)
report = kf.verify(version)
print(report)
with CApiSession(version) as session:
    answer = session.run(
        "serving_default", {"image_bytes": [raw["image_bytes"][0], b""], "text": [b"", raw["text"][0]]}
    )
    answers = [label.decode() for label in answer["label"]]
print(f"The first image alone: {answers[0]}. Its note alone: {answers[1]}. It is {test.frame['part'].iloc[0]}.")

# %% [markdown]
# ## What to change
#
# How many pairs does the tagger need before it is worth its place? Notes without mistakes: what is left to gain?
# Teach the tagger on another table, whose images were tagged by hand: what it knows beyond the notes is passed on.

# %%
_common.finish(report.ok)
