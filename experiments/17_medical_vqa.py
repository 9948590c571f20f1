# %% [markdown]
"""# Medical visual question answering

- Article: 000, section 6.2
- What you will learn: keep closed and open questions apart, and find out what the image adds to the question
- Time: half an hour on two cores (`--quick`: a minute)
- Data: DATA/vqa_rad, radiology images with clinicians' questions; `--quick` draws scans instead

```shell
python experiments/17_medical_vqa.py --data-dir DATA
python experiments/17_medical_vqa.py --quick
```

The article wants a system that answers a doctor's questions about an image. VQA-RAD has such questions, and shows why
a single accuracy says little. Half of the questions can be answered with yes or no, so that a model without eyes is
right half of the time. The published split shares all of its test images with the training split. And an answer that
no training row had cannot be given at all.

So this script splits by image, evaluates closed and open questions apart, and compares the model with everything that
does not look: the most frequent answer, the most frequent answer to the same question, and models of the question
alone. This is a tutorial on evaluation, not a diagnostic tool.
"""

# %%
from pathlib import Path

import _common
import numpy as np
import pandas as pd
from _datasets import draw_scans, vqa_rad

import kerasfusion as kf
from kerasfusion.serving import CApiSession

parser = _common.tutorial_parser(__doc__, "17_medical_vqa")
parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
parser.add_argument("--cache-dir", type=Path, help="folder of images and of features of frozen encoders")
arguments = _common.parse(parser)
results = _common.Results(arguments, "17_medical_vqa", ["seeds"], "medical_vqa.csv")

# %% [markdown]
# ## 1. Read the table
#
# Clinicians wrote "Yes", "yes" and "yes " for one answer. `kf.data.load` says that such classes differ only in case,
# but does not merge them, so the answers are spelled alike here. An answer is *new* if no training row has it: the
# share of these is what every classifier loses on open questions.

# %%
if arguments.quick:
    table = draw_scans(arguments.output_dir / "scans")
elif arguments.data_dir:
    table = vqa_rad(Path(arguments.data_dir) / "vqa_rad")
else:
    parser.error("pass --data-dir or set KERASFUSION_DATA to the folder that holds vqa_rad, or try --quick")
attrs = table.attrs
table = table.assign(answer=table["answer"].str.lower().str.strip())
table.attrs.update(attrs)
known = set(table.loc[table["split"] == "train", "answer"])
print(pd.crosstab(table["kind"], table["split"]).to_string())
test_rows = table[table["split"] == "test"]
print("\nNew answers in the test split:")
print((~test_rows["answer"].isin(known)).groupby(test_rows["kind"]).mean().map("{:.1%}".format).to_string(), "\n")

# %% [markdown]
# ## 2. Train a model for each kind of question
#
# No model is named, so `kf.train` takes its default: with the pretrained packages, frozen encoders of sentence and
# image whose projections are multiplied (kerasfusion/guide/models.md). It also trains a model of the question alone
# and one of the image alone, and fits a linear model on a bag of words. A seed changes initial weights and the order
# of the rows.

# %%
roles = {"image": "image", "text": "question", "label": "answer", "split": "split"}
config = {"epochs": 2} if arguments.quick else {}
runs, tables = {}, {}
for kind in ("closed", "open"):
    part = table[table["kind"] == kind].reset_index(drop=True)
    part.attrs.update(attrs)
    tables[kind] = kf.data.load(part, **roles, cache_dir=arguments.cache_dir and str(arguments.cache_dir / kind))
    for seed in results.seeds:
        folder = arguments.output_dir / f"{kind}_seed{seed}"
        seeded = kf.training.TrainingConfig(seed=seed, **config)
        run = kf.train(tables[kind], None, folder, seeded, verbose=0, resume=True)
        runs.setdefault(kind, []).append(run)
        print(f"{kind}, seed {seed}: {run.metrics['tasks']['label']['verdict']}")

# %% [markdown]
# ## 3. Compare with what does not look
#
# A run keeps the answers of its model and of all baselines for the test split. Questions about one image are not
# independent, so images are drawn for the intervals, not rows. The p-values hold for all comparisons of a table
# together.

# %%
for kind, its_runs in runs.items():
    data, model = tables[kind], its_runs[0].metrics["model"]
    (task,), test = data.schema.tasks, data.splits["test"]
    answers = {}
    for run in its_runs:
        with np.load(run.path / "test_answers.npz") as kept:
            for name in kept.files:
                answers.setdefault(name.removeprefix("label/"), []).append(kept[name])
    answers.pop("ceiling of image alone", None)  # chosen with the labels in hand
    labels, images = test.labels["label"], test.arrays["image"]
    found = kf.evaluation.compare_predictions(task, labels, answers, images)
    print(f"\n{kind}: {found.verdict}")
    for name in sorted(answers, key=lambda name: -found.scores[name].mean):
        values = [float(np.mean(decided == labels)) for decided in answers[name]]
        results.add(f"{kind}: {name}", "accuracy", values, n=len(labels))
        if name != model:
            gain = found.differences[model, name]
            print(f"{'':20} the model gains {gain.value:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}], p = {gain.p:.3f}")
            results.add(f"{kind}: {model} against {name}", "p", gain.p, n=len(labels))

# %% [markdown]
# ## 4. Accuracy by organ
#
# The mean over seeds, for the model and for the model of the question alone.

# %%
for kind, its_runs in runs.items():
    test, by_organ = tables[kind].splits["test"], {}
    for name in (its_runs[0].metrics["model"], "text only"):
        right = [np.load(run.path / "test_answers.npz")[f"label/{name}"] == test.labels["label"] for run in its_runs]
        by_organ[name] = pd.Series(np.mean(right, axis=0)).groupby(test.frame["organ"].to_numpy()).mean()
        for organ, value in by_organ[name].items():
            rows = int((test.frame["organ"] == organ).sum())
            results.add(f"{kind}, {organ.lower()}: {name}", "accuracy", value, n=rows)

# %% [markdown]
# ## 5. Ask the exported model
#
# It takes the bytes of an image and a question, both as they come.

# %%
version = kf.export(runs["closed"][0], arguments.output_dir / "saved_model")
report = kf.verify(version)
print(report)
asked = tables["closed"].splits["test"].take(np.arange(3))
with CApiSession(version) as session:
    answered = session.run("serving_default", asked.raw_inputs())
for question, answer, label in zip(asked.frame["question"], answered["label"], asked.frame["answer"], strict=True):
    print(f"{question}  ->  {answer.decode()}  (label: {label})")

for seed in results.seeds:
    results.record(f"17_medical_vqa, seed {seed}", seed)
_common.finish(report.ok)
