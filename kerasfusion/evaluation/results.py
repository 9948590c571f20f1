"""Rows of result tables: a figure counts only with the command that made it beside it."""

import csv
import os
import platform
import subprocess
from pathlib import Path

from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.files import atomic_write, folder_lock

FIELDS = ("experiment", "model", "metric", "value", "low", "high", "n", "seed", "command", "commit", "machine")


def append_results(path, rows, experiment, command, seed=0):
    """Replace an experiment's rows in a CSV of results by new ones.

    Args:
        path: The CSV file; made where it is missing.
        rows: dicts with `model`, `metric`, `value` and optionally `low`, `high`, `n`.
        experiment: Name of the experiment.
        command: The command that made the figures.
        seed: Its seed.

    Example:

    ```python
    record("experiments/results/demo.csv", [{"model": "vqa_film", "metric": "accuracy", "value": 0.9}], "demo",
           "kerasfusion demo")
    ```
    """
    path = Path(path)
    fixed = {"experiment": experiment, "command": command, "seed": seed, "commit": commit(), "machine": machine()}
    rounded = [{k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Read under the lock: what another experiment records meanwhile would be lost.
    with folder_lock(path.parent, wait=True):
        kept = [row for row in read_results(path) if row["experiment"] != experiment] if path.exists() else []
        with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS, restval="")
            writer.writeheader()
            writer.writerows([*kept, *({**row, **fixed} for row in rounded)])


def read_results(path):
    """The rows of a CSV of results, as dicts of strings; ValueError where the file is another."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            lacking = [field for field in FIELDS if field not in (reader.fieldnames or FIELDS)]
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV file of results ({error}). Name another file.") from error
    if lacking:
        raise ValueError(f"{path} is not a CSV file of results: it lacks {', '.join(lacking)}. Name another file.")
    return rows


def score_rows(metrics):
    """Rows for every score in a run's `metrics.json`, the kinds of question as `accuracy (count)`."""
    rows = []
    for task in metrics["tasks"].values():
        # Runs of version 0.1 do not name the types of labels, which are all written alike.
        rows += TASKS[task.get("type", "multiclass")].result_rows(metrics["model"], task)
    rows += [{"model": m, "metric": "training seconds", "value": s} for m, s in metrics["train_seconds"].items()]
    rows.append({"model": metrics["model"], "metric": "parameters", "value": metrics["parameters"]})
    return rows


def match_score_rows(model, task):
    """Rows of a dual encoder's figures and of chance."""
    rows = []
    for name, directions, total in (
        (model, task["directions"], task["rsum"]),
        ("chance", task["chance"], task["chance_rsum"]),
    ):
        for direction, part in directions.items():
            figures = {f"R@{k}": value for k, value in part["recall"].items()}
            figures |= {"median rank": part["median_rank"], "MRR": part["mrr"]}
            for metric, value in figures.items():
                ends = {}
                if name == model and metric == "R@1":
                    ends = {end: task["first"][direction][end] for end in ("low", "high")}
                n = part["queries"]
                rows.append({"model": name, "metric": f"{metric} {direction}", "value": value, "n": n, **ends})
        rows.append({"model": name, "metric": "rsum", "value": total})
    return rows


def caption_score_rows(scores):
    """Rows of captions' figures: name -> a `CaptionScores` as a dict."""
    rows = []
    for name, found in scores.items():
        cider = found["cider"]
        rows.append({"model": name, "metric": "CIDEr", **{key: cider[key] for key in ("value", "low", "high", "n")}})
        figures = {f"BLEU-{order}": value for order, value in enumerate(found["bleu"], start=1)}
        figures |= {"ROUGE-L": found["rouge_l"], "distinct words": found["words"]}
        figures |= {"words per caption": found["length"]}
        if found["novel"] is not None:
            figures["novel captions"] = found["novel"]
        rows += [{"model": name, "metric": metric, "value": v, "n": cider["n"]} for metric, v in figures.items()]
    return rows


def commit():
    """The short hash of the checkout's commit, with `+` where files differ from it; "unknown" outside of one."""
    try:
        run = ["git", "-C", str(Path(__file__).parent)]
        name = subprocess.run([*run, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*run, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def machine():
    """The kind of machine: processor architecture, number of cores, Python."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def comparison_rows(table):
    """Rows for the table of a comparison (`kf.compare`): means over seeds with their intervals, and what each costs.

    Args:
        table: `Comparison.table`.
    """
    costs = {
        "parameters": "parameters",
        "train_seconds": "training seconds",
        "latency_ms": "milliseconds, batch 1",
        "export_mb": "megabytes",
    }
    rows = []
    for line in table.to_dict("records"):
        score = {"value": line["mean"], "low": line["low"], "high": line["high"], "n": line["test_rows"]}
        rows.append({"model": line["model"], "metric": line["metric"], **score})
        # What was never trained has no costs (NaN, which is unequal to itself).
        found = {metric: line[name] for name, metric in costs.items() if line[name] == line[name]}
        rows += [{"model": line["model"], "metric": m, "value": v} for m, v in found.items() if v is not None]
    return rows
