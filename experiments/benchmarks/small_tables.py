"""The default model on small tables that nobody tuned it for, beside everything simple that a user could have tried.

    python experiments/benchmarks/small_tables.py --data-dir DATA --on validation
    python experiments/benchmarks/small_tables.py --data-dir DATA

Every table is split alike for all models; a seed is another initialization and another order. Baselines are those of
`kf.train`: majority, lookups, bag of words with a linear model, text only, image only and their average. `--on
validation` scores the validation split, to choose settings by; the test split is for the last run. Rows that
`--results` holds already are skipped. `--models` names models of the zoo in place of the default.
"""

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import kerasfusion as kf
from kerasfusion.data.table import read_table
from kerasfusion.evaluation.report import image_groups
from kerasfusion.evaluation.results import append_results, read_results
from kerasfusion.evaluation.scores import difference_to_best, row_terms, score_predictions
from kerasfusion.workflows.train import ANSWERS_FILE

# Arguments of `kf.data.load`.
TABLES: dict[str, dict] = {
    "noto_emoji": {"image": "image", "text": "text", "label": "label"},
    "flipkart_1050": {
        "image": "image",
        "text": ["title", "description"],
        "label": "category",
        "split": "split",
    },
    "covid_chestxray": {"image": "image", "text": "text", "label": "label", "group": "patient"},
    "vqa_rad": {"image": "image", "text": "question", "label": "answer", "split": "split_image"},
    "imdb_reviews": {"text": "text", "label": "label", "split": "split"},
    "easy_vqa": {"image": "image", "text": "question", "label": "answer", "split": "split"},
    "steel_defects": {"image": "image", "label": "label", "split": "split"},
    "lfw_faces": {"image": "image", "label": "emotion", "split": "split"},
    "ml_posters": {"image": "image", "text": "title", "label": "genres"},
}
# One image of so many, with all of its questions.
SHARES = {"easy_vqa": 10}
RESULTS = Path("experiments/results/small_tables.csv")

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-dir", default=os.environ.get("KERASFUSION_DATA"))
parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
parser.add_argument("--seeds", type=int, default=5)
parser.add_argument("--models", nargs="+", default=["default"])
parser.add_argument("--on", choices=["test", "validation"], default="test")
parser.add_argument("--cache-dir", help="keep images and features of frozen networks here")
parser.add_argument("--results", type=Path, default=RESULTS)
arguments = parser.parse_args()
if not arguments.data_dir:
    parser.error("say where the tables are: --data-dir or KERASFUSION_DATA")


def load_table(name):
    """The table, always split alike."""
    path = Path(arguments.data_dir) / name / "data.jsonl"
    frame = read_table(path)
    if name in SHARES:
        images = np.sort(frame["image"].unique())[:: SHARES[name]]
        attrs, frame = frame.attrs, frame[frame["image"].isin(images)].reset_index(drop=True)
        frame.attrs = attrs
    cache = None if arguments.cache_dir is None else str(Path(arguments.cache_dir) / name)
    return kf.data.load(frame, **TABLES[name], cache_dir=cache)


def train_and_score(data, model, seed):
    """Rows of the model, its baselines, and its paired difference to each of them."""
    data = kf.workflows.read_for_model(data, model)
    if arguments.on == "validation":
        data = dataclasses.replace(data, splits={**data.splits, "test": data.splits["validation"]})
    config = kf.training.TrainingConfig(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        run = kf.train(data, model, Path(folder) / "run", config, verbose=0)
        with np.load(run.path / ANSWERS_FILE) as answers:
            answers = dict(answers)
    (task,), test = data.schema.tasks, data.splits["test"]
    kept = np.flatnonzero(test.weights[task.name] > 0)
    labels, groups = test.labels[task.name][kept], image_groups(test)
    groups = None if groups is None else groups[kept]
    decided = {key.partition("/")[2]: values for key, values in answers.items()}
    scores = {name: score_predictions(task, labels, values, groups) for name, values in decided.items()}
    terms = {name: row_terms(task, labels, values)[1:] for name, values in decided.items()}
    rows = []
    for name, score in scores.items():
        row = {"model": name, "metric": score.name, "n": len(kept)}
        rows.append({**row, "value": score.value, "low": score.low, "high": score.high})
        if name != model and not name.startswith("ceiling"):
            pair = (model, name)
            found = difference_to_best({n: scores[n] for n in pair}, {n: terms[n] for n in pair}, groups)
            row["model"] = f"{model} minus {name}"
            rows.append({**row, "value": found.value, "low": found.low, "high": found.high})
    return rows


command = "python experiments/benchmarks/small_tables.py --data-dir DATA"
for flag in ("on", "models"):
    value = getattr(arguments, flag)
    if value != parser.get_default(flag):
        command += f" --{flag} {' '.join(value) if isinstance(value, list) else value}"
done = {row["experiment"] for row in read_results(arguments.results)} if arguments.results.exists() else set()
for name in arguments.tables:
    data = None
    for seed in range(arguments.seeds):
        for wanted in arguments.models:
            experiment = f"{name}, {wanted}, {arguments.on}, seed {seed}"
            if experiment in done:
                continue
            data = data or load_table(name)
            model = kf.workflows.default_model(data)[0] if wanted == "default" else wanted
            rows = train_and_score(data, model, seed)
            append_results(arguments.results, rows, experiment, command, seed)
            shown = "  ".join(f"{row['model']} {row['value']:.3f}" for row in rows if " minus " not in row["model"])
            print(f"{experiment}: {shown}", flush=True)
