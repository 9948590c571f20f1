# %% [markdown]
"""# Images with notes: find labels that leak through the text

- Article: 000, section 6.2
- What you will learn: split by patient, find leaking labels, and cross-validate on a small data set
- Time: fifteen minutes on two cores (`--quick`: a minute)
- Data: DATA/covid_chestxray, chest X-rays with notes; `--quick` makes a table instead

```shell
python experiments/04_medical_notes.py --data-dir DATA
python experiments/04_medical_notes.py --quick
```

The article proposes to combine X-rays with the patient's notes for diagnosis, and goes no further. The value of such
a model depends less on its architecture than on two questions. This script answers them for a public set of chest
X-rays with notes (from ieee8023/covid-chestxray-dataset):

- Does a patient of the test split also appear in the training split? A patient has several images, all with the same
  note.
- Does the note name the diagnosis? Then the text alone "predicts" it, and no model is needed.

This is a tutorial on evaluation, not a diagnostic tool: the data set is small and was collected from publications.
"""

# %%
import tempfile
from pathlib import Path

import _common
import keras
import numpy as np
import pandas as pd
from _datasets import covid_chestxray, draw_xrays
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

import kerasfusion as kf

parser = _common.tutorial_parser(__doc__, "04_medical_notes")
arguments = _common.parse(parser)

# %% [markdown]
# ## 1. Read the table
#
# Most findings have only a handful of rows, so the task is COVID-19 or other. Rows labeled "todo" or "Unknown" are
# dropped. The table counts how many notes name the diagnosis, per label.

# %%
if arguments.quick:
    scratch = tempfile.TemporaryDirectory()
    table = draw_xrays(Path(scratch.name))
elif arguments.data_dir:
    table = covid_chestxray(Path(arguments.data_dir) / "covid_chestxray")
else:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds covid_chestxray, or try --quick")
attrs = table.attrs
table = table[~table["label"].isin(["todo", "Unknown"])]
table = table.assign(label=np.where(table["label"].str.startswith("COVID-19"), "COVID-19", "other"))
names_class = kf.data.mentions_class(table["text"], ["COVID-19", "other"])[:, 0]
is_empty = table["text"].fillna("").str.strip() == ""
table["note"] = np.select([names_class, is_empty], ["names it", "empty"], "does not name it")
print(pd.crosstab(table["note"], table["label"], margins=True).to_string())
print(f"{table['patient'].nunique()} patients\n")

# %% [markdown]
# ## 2. Split into folds by patient
#
# All rows of a patient are in the same fold. With so little data we cross-validate: every row is tested once, by a
# model that never saw its patient. One fold is for testing, the next for validation (early stopping), and the others
# for training. All figures are means over folds.

# %%
folds = 1 if arguments.quick else 5
splitter = StratifiedGroupKFold(max(folds, 3), shuffle=True, random_state=0)
fold_of_row = np.zeros(len(table), int)
for i, (_, rows) in enumerate(splitter.split(table, table["label"], table["patient"])):
    fold_of_row[rows] = i


def with_splits(test_fold):
    validation_fold = (test_fold + 1) % (fold_of_row.max() + 1)
    split = np.select([fold_of_row == test_fold, fold_of_row == validation_fold], ["test", "validation"], "train")
    frame = table.assign(split=split)
    frame.attrs.update(attrs)
    return frame


# %% [markdown]
# ## 3. Train with and without the leaking rows
#
# `kf.data.load` looks for texts that name a class. It reports them in a line that starts with LEAK, which also
# appears at the top of `report.html`. `drop_label_leaks=True` drops these rows. Each run also trains a text-only and
# an image-only model, so we can compare what each modality contributes.

# %%
config = kf.training.TrainingConfig(
    epochs=2 if arguments.quick else 16, batch_size=32, learning_rate=1e-3, class_weight="balanced", patience=6
)


def covid_probabilities(run, examples, task):
    """Dict of model name -> probability of COVID-19 per row."""
    models = {"fused": run.model}
    for modality in ("text", "image"):
        path = run.path / "baselines" / f"{modality}_only" / "model.keras"
        models[f"{modality} only"] = keras.saving.load_model(path)
    probabilities = {}
    for name, model in models.items():
        outputs = kf.evaluation.postprocess(model, kf.evaluation.predict_logits(model, examples))
        probabilities[name] = outputs["label"]["probabilities"][:, 1]
    probabilities["late average"] = (probabilities["text only"] + probabilities["image only"]) / 2
    if task.classes[1] != "COVID-19":
        probabilities = {name: 1 - value for name, value in probabilities.items()}
    return probabilities


scores = []
for case, drop in (("all rows", False), ("without rows that name it", True)):
    for fold in range(folds):
        columns = {"image": "image", "text": "text", "label": "label", "split": "split", "slice_by": "note"}
        data = kf.data.load(with_splits(fold), **columns, group="patient", drop_label_leaks=drop, image_size=96)
        if fold == 0:
            print(f"== {case}: {sum(map(len, data.splits.values())):,} rows")
            print("\n".join(data.notes))
        run_dir = arguments.output_dir / f"{case.replace(' ', '_')}_fold{fold}"
        run = kf.train(data, "classifier_gated", run_dir, config, verbose=0, overwrite=True)
        (task,) = data.schema.tasks
        is_covid = data.splits["test"].labels["label"] == task.classes.index("COVID-19")
        for model, probability in covid_probabilities(run, data.splits["test"], task).items():
            scores.append(
                {
                    "case": case,
                    "fold": fold,
                    "model": model,
                    "AUROC": roc_auc_score(is_covid, probability),
                    "balanced accuracy": balanced_accuracy_score(is_covid, probability > 0.5),
                    "n": len(is_covid),
                }
            )
        print(f"fold {fold + 1} of {folds}: {run.metrics['tasks']['label']['verdict']}")

# %% [markdown]
# ## 4. Compare what the text gives away
#
# Compare the AUROC of the text-only model with and without the leaking rows, then check whether fusion beats the
# better single modality once they are gone. (The text still gives away the label without naming it: in the first
# table, look at the empty notes.)

# %%
scores = pd.DataFrame(scores)
summary = scores.groupby(["case", "model"])[["AUROC", "balanced accuracy"]].agg(["mean", "std"])
print("\n" + summary.round(3).to_string() + "\n")
leaking, clean = (summary.xs(case)["AUROC"] for case in ("all rows", "without rows that name it"))


def mean_and_std(auroc, model):
    return f"{auroc.loc[model, 'mean']:.3f} (standard deviation over folds {auroc.loc[model, 'std']:.3f})"


print(f"AUROC, text only, all rows: {mean_and_std(leaking, 'text only')}")
print("AUROC without the rows whose note names the diagnosis:")
for model in ("text only", "image only", "fused"):
    print(f"  {model}: {mean_and_std(clean, model)}")
better = clean.loc[["text only", "image only"], "mean"].idxmax()
by_fold = scores[scores["case"] != "all rows"].pivot(index="fold", columns="model", values="AUROC")
gain = by_fold["fused"] - by_fold[better]
print(f"Fusion gains {gain.mean():+.3f} over {better}, in {(gain > 0).sum()} of {folds} folds.")

# %% [markdown]
# ## 5. Export the model trained without leaking rows

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
