# %% [markdown]
"""# Images with notes: what a text gives away

- Article: 000, section 6.2
- What you will learn: split by patient, and find labels that leak through the text
- Time: fifteen minutes on two cores (`--quick`: a minute)
- Data: DATA/covid_chestxray: chest X-rays with notes

```shell
python experiments/04_medical_notes.py --data-dir DATA     # about fifteen minutes on two cores
python experiments/04_medical_notes.py --quick             # a minute, on a made-up table
```

The article proposes to join X-rays with the patient's notes for a diagnosis, and stops there. What such a model is
worth depends less on the network than on two questions that this script asks of a public set of chest X-rays with
notes (`DATA/covid_chestxray/data.jsonl`: image, text, label, patient; collected in ieee8023/covid-chestxray-dataset):

- Is a patient of the test split known from training? One patient has several images and the same note on each.
- Does the note already name the diagnosis? Then the text alone "predicts" it, and nobody needs a model.

This is a lesson in measuring, not a diagnostic: the set is small and was collected from publications.
"""

# %%
import tempfile
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

import kerasfusion as kf
from kerasfusion.data.table import read_table
from kerasfusion.evaluation import postprocess, predict_logits

parser = _common.tutorial_parser(__doc__, "04_medical_notes")
arguments = _common.parse(parser)


def made_up_table(folder, patients=36):
    """Grey images, brighter where the label says so; every third note of the sick names what they have."""
    random = np.random.default_rng(0)
    rows = []
    for patient in range(patients):
        sick = patient % 3 > 0
        note = "cough and COVID-19 found" if sick and patient % 3 == 1 else "cough, seen on day " + str(patient % 5)
        for shot in range(1 + patient % 2):
            path = folder / f"{patient}_{shot}.png"
            pixels = np.clip(random.normal(130 if sick else 100, 40, (32, 32)), 0, 255)
            Image.fromarray(pixels.astype("uint8")).save(path)
            label = "COVID-19" if sick else "Pneumonia"
            rows.append({"image": path.name, "text": note, "label": label, "patient": patient})
    table = pd.DataFrame(rows)
    table.attrs.update(source="made-up table", folder=str(folder))
    return table


# %% [markdown]
# ## 1. The table
#
# "todo" is no finding, and most findings have a handful of rows: the question is COVID-19 or something else.

# %%
if arguments.quick:
    world = tempfile.TemporaryDirectory()
    table = made_up_table(Path(world.name))
elif arguments.data_dir:
    table = read_table(Path(arguments.data_dir) / "covid_chestxray" / "data.jsonl")
else:
    parser.error("say in which folder covid_chestxray is: --data-dir or KERASFUSION_DATA (or try --quick)")
attrs = table.attrs
table = table[~table["label"].isin(["todo", "Unknown"])]
table = table.assign(label=np.where(table["label"].str.startswith("COVID-19"), "COVID-19", "other"))
named = kf.data.mentions_class(table["text"], ["COVID-19", "other"])[:, 0]
empty = table["text"].fillna("").str.strip() == ""
table["note"] = np.select([named, empty], ["names it", "empty"], "does not name it")
print(pd.crosstab(table["note"], table["label"], margins=True).to_string())
print(f"{table['patient'].nunique()} patients\n")

# %% [markdown]
# ## 2. Folds by patient
#
# A patient is in one fold alone. With so few rows, every row is tested once, by a model that never saw its patient:
# one fold tests, the next one validates (early stopping), the others train. Every figure is a mean over the folds.

# %%
folds = 1 if arguments.quick else 5
splitter = StratifiedGroupKFold(max(folds, 3), shuffle=True, random_state=0)
fold = np.zeros(len(table), int)
for i, (_, rows) in enumerate(splitter.split(table, table["label"], table["patient"])):
    fold[rows] = i


def with_splits(test):
    validation = (test + 1) % (fold.max() + 1)
    split = np.select([fold == test, fold == validation], ["test", "validation"], "train")
    marked = table.assign(split=split)
    marked.attrs.update(attrs)
    return marked


# %% [markdown]
# ## 3. Train with the rows whose note names the diagnosis, and without them
#
# `kf.data.load` looks for texts that name a class and says so in a line that begins with LEAK;
# `drop_label_leaks` leaves these rows out. The same line stands at the top of the run's report.html.

# %%
config = kf.training.TrainingConfig(
    epochs=2 if arguments.quick else 16, batch_size=32, learning_rate=1e-3, class_weight="balanced", patience=6
)


def probabilities(run, examples):
    """Of each model, the probability of COVID-19 for each test row."""
    models = {"fused": run.model}
    for kind in ("text", "image"):
        models[f"{kind} only"] = keras.saving.load_model(run.path / "baselines" / f"{kind}_only" / "model.keras")
    found = {name: postprocess(model, predict_logits(model, examples))["label"] for name, model in models.items()}
    found = {name: prediction["probabilities"][:, 1] for name, prediction in found.items()}
    return {**found, "late average": (found["text only"] + found["image only"]) / 2}


scores = []
for case, drop in (("all rows", False), ("without rows that name it", True)):
    for test in range(folds):
        roles = {"image": "image", "text": "text", "label": "label", "split": "split", "slice_by": "note"}
        data = kf.data.load(with_splits(test), **roles, group="patient", drop_label_leaks=drop, image_size=96)
        if test == 0:
            print(f"== {case}: {sum(map(len, data.splits.values())):,} rows")
            print("\n".join(data.notes))
        out = arguments.output_dir / f"{case.replace(' ', '_')}_fold{test}"
        run = kf.train(data, "classifier_gated", out, config, verbose=0, overwrite=True)
        task = data.schema.tasks[0]
        sick = data.splits["test"].labels["label"] == task.classes.index("COVID-19")
        for model, probability in probabilities(run, data.splits["test"]).items():
            probability = probability if task.classes[1] == "COVID-19" else 1 - probability
            scores.append(
                {
                    "case": case,
                    "fold": test,
                    "model": model,
                    "AUROC": roc_auc_score(sick, probability),
                    "balanced accuracy": balanced_accuracy_score(sick, probability > 0.5),
                    "n": len(sick),
                }
            )
        print(f"fold {test + 1} of {folds}: {run.metrics['tasks']['label']['verdict']}")

# %% [markdown]
# ## 4. What the text gave away, and what is left

# %%
scores = pd.DataFrame(scores)
summary = scores.groupby(["case", "model"])[["AUROC", "balanced accuracy"]].agg(["mean", "std"])
print("\n" + summary.round(3).to_string() + "\n")
first, second = (summary.xs(case)["AUROC"] for case in ("all rows", "without rows that name it"))


def line(of, model):
    return f"{of.loc[model, 'mean']:.3f} (standard deviation over folds {of.loc[model, 'std']:.3f})"


print(f"AUROC of text alone with the rows whose note names the diagnosis: {line(first, 'text only')}.")
print(f"Without them: {line(second, 'text only')}. That is left, and it is not the name: see the empty notes above.")
print(f"Image alone without them: {line(second, 'image only')}; both: {line(second, 'fused')}.")
better = second.loc[["text only", "image only"], "mean"].idxmax()
honest = scores[scores["case"] != "all rows"].pivot(index="fold", columns="model", values="AUROC")
gain = honest["fused"] - honest[better]
print(f"Joining both gains {gain.mean():+.3f} over {better}, in {(gain > 0).sum()} of {folds} folds.")

# %% [markdown]
# ## 5. A SavedModel, of the honest case

# %%
version = kf.export(run, arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)

if arguments.results:
    rows = []
    for case in summary.index.levels[0]:
        for model in ("fused", "late average", "text only", "image only"):
            part = scores[(scores["case"] == case) & (scores["model"] == model)]
            figures = {"n": part["n"].sum()}
            for metric in ("AUROC", "balanced accuracy"):
                figures.update({metric: part[metric].mean(), f"{metric}, deviation over folds": part[metric].std()})
            rows += [{"model": f"{case}: {model}", "metric": m, "value": v} for m, v in figures.items()]
    command = "python experiments/04_medical_notes.py --data-dir DATA --results experiments/results/medical_notes.csv"
    _common.record(arguments.results, rows, "04_medical_notes", command)

_common.finish(report.ok)
