"""The default model on small tables that nobody tuned it for, beside everything simple that a user could have tried.

    python experiments/benchmarks/small_tables.py --data-dir DATA --on validation
    python experiments/benchmarks/small_tables.py --data-dir DATA

Every table is split alike for all models; a seed is another initialization and another order. Baselines are those of
`kf.train`: majority, lookups, linear models of words and of pretrained features, text only, image only and their
average. Baselines that have no seed are fitted once. `--on validation` scores the validation split, to choose
settings by; the test split is for the last run. `--models` names models of the zoo in place of the default, which
depends on the pretrained packages that are installed.

Every training leaves its answers in `--output-dir`, and a second call goes on where the first one stopped.
Differences are paired over the test rows and seeds (`kf.evaluation.compare_predictions`); their p-values are Holm's
over the baselines of a table.
"""

import argparse
import dataclasses
import logging
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import kerasfusion as kf
from kerasfusion.data.table import read_table
from kerasfusion.evaluation import evaluate_models
from kerasfusion.evaluation.report import image_groups
from kerasfusion.evaluation.results import append_results
from kerasfusion.files import atomic_write
from kerasfusion.workflows.classical import fit_classical
from kerasfusion.workflows.train_models import train_all

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
# Answers that no user could have given: chosen with the labels.
ORACLE = "ceiling"

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-dir", default=os.environ.get("KERASFUSION_DATA"))
parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
parser.add_argument("--seeds", type=int, default=5)
parser.add_argument("--models", nargs="+", default=["default"])
parser.add_argument("--on", choices=["test", "validation"], default="test")
parser.add_argument("--cache-dir", help="keep images and features of frozen networks here")
parser.add_argument("--output-dir", type=Path, default=Path("runs/small_tables"))
parser.add_argument("--results", type=Path, default=RESULTS)


def load_table(name, arguments):
    """The table, always split alike."""
    frame = read_table(Path(arguments.data_dir) / name / "data.jsonl")
    if name in SHARES:
        images = np.sort(frame["image"].unique())[:: SHARES[name]]
        attrs, frame = frame.attrs, frame[frame["image"].isin(images)].reset_index(drop=True)
        frame.attrs = attrs
    cache = None if arguments.cache_dir is None else str(Path(arguments.cache_dir) / name)
    return kf.data.load(frame, **TABLES[name], cache_dir=cache)


def train_and_answer(data, model, seed, classical):
    """Decisions of the model and of its baselines on the test split: name -> array."""
    config = kf.training.TrainingConfig(seed=seed)
    settings = {"verbose": 0, "resume": False}
    with tempfile.TemporaryDirectory() as folder:
        run_config = {"model": model, "baselines": True}
        models, _ = train_all(
            lambda: kf.create_model(model, data.schema), data, Path(folder), run_config, config, None, (), settings
        )
    (report,) = evaluate_models(models, data.splits["test"], data.splits["train"], classical=classical).values()
    return {name: decided for name, decided in report.answers.items() if not name.startswith(ORACLE)}


def holm(p):
    """Holm's adjusted p-values."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def compare_with_baselines(data, table, model, answers):
    """Rows of a table's results: every score, and how far the model is above each baseline.

    Args:
        data: The `Data`.
        table: Its name.
        model: The model's name.
        answers: One dict for each seed, as `train_and_answer` gives it.
    """
    (task,), test = data.schema.tasks, data.splits["test"]
    kept = np.flatnonzero(test.weights[task.name] > 0)
    labels, groups = test.labels[task.name][kept], image_groups(test)
    groups = None if groups is None else groups[kept]
    seeds = {name: [answer[name] for answer in answers] for name in answers[0]}
    rivals = [name for name in seeds if name != model]
    found = {
        name: kf.evaluation.compare_predictions(task, labels, {n: seeds[n] for n in (model, name)}, groups)
        for name in rivals
    }
    gains = [found[name].differences[model, name] for name in rivals]
    own = found[rivals[0]].scores[model]
    rows = [{"model": f"{table}: {model}", "metric": "accuracy or F1", "n": len(kept)}]
    rows[0] |= {"value": own.mean, "low": own.low, "high": own.high}
    for name, gain, p in zip(rivals, gains, holm([gain.p for gain in gains]), strict=True):
        score = found[name].scores[name]
        row = {"model": f"{table}: {model} against {name}", "n": len(kept)}
        rows += [
            {**row, "metric": "accuracy or F1", "value": score.mean, "low": score.low, "high": score.high},
            {**row, "metric": "accuracy gained", "value": gain.value, "low": gain.low, "high": gain.high},
            {**row, "metric": "p (Holm)", "value": p},
        ]
    return rows


def main():
    logging.getLogger("kerasfusion").setLevel(logging.WARNING)
    arguments = parser.parse_args()
    if not arguments.data_dir:
        parser.error("say where the tables are: --data-dir or KERASFUSION_DATA")
    command = "python experiments/benchmarks/small_tables.py --data-dir DATA"
    if arguments.on != "test":
        command += f" --on {arguments.on}"
    for table in arguments.tables:
        for wanted in arguments.models:
            data = load_table(table, arguments)
            model = kf.workflows.default_model(data)[0] if wanted == "default" else wanted
            data = kf.workflows.read_for_model(data, model)
            if arguments.on == "validation":
                data = dataclasses.replace(data, splits={**data.splits, "test": data.splits["validation"]})
            folder, classical, answers = arguments.output_dir / arguments.on / table / model, None, []
            folder.mkdir(parents=True, exist_ok=True)
            for seed in range(arguments.seeds):
                path = folder / f"seed_{seed}.npz"
                if not path.exists():
                    if classical is None:
                        classical = fit_classical(data, folder).predict(data.splits["test"])
                    decided = train_and_answer(data, model, seed, lambda _, known=classical: known)
                    with atomic_write(path) as temporary, open(temporary, "wb") as file:
                        np.savez_compressed(file, **decided)
                with np.load(path) as kept:
                    answers.append(dict(kept))
                print(f"{table}, {model}, {arguments.on}, seed {seed}: done", flush=True)
            rows = compare_with_baselines(data, table, model, answers)
            seeds = f"0-{arguments.seeds - 1}"
            chosen = "" if wanted == "default" else f" --models {model}"
            append_results(arguments.results, rows, f"{table}: {model}, {arguments.on}", command + chosen, seeds)
            for row in rows:
                print(f"  {row['model']}, {row['metric']}: {row['value']:.3f}", flush=True)


if __name__ == "__main__":
    main()
