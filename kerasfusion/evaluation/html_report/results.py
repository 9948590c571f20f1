"""Learning curves, scores beside baselines, and where the mistakes are."""

import math

from kerasfusion.evaluation.html_report.attention_maps import looked_at
from kerasfusion.evaluation.html_report.calibration import calibration
from kerasfusion.evaluation.html_report.examples import examples
from kerasfusion.evaluation.html_report.figures import interval, lines
from kerasfusion.evaluation.html_report.html import element, join, section, table
from kerasfusion.evaluation.html_report.tasks import TASKS
from kerasfusion.evaluation.score_tables import score_text
from kerasfusion.evaluation.statistics import RESAMPLES

MOST_KINDS = 50
MOST_CLASSES = 100
METRICS = {"accuracy": "accuracy", "f1_micro": "micro F1", "mae": "mean absolute error"}
_N = (
    "Intervals of 95 %: of shares Wilson's, with a design effect for rows of one image; of errors the bootstrap over "
    f"images ({RESAMPLES:,} samples)."
)


def training(parts):
    """How loss and main metric went, epoch by epoch."""
    history = parts.history
    if not history:
        return None
    model = parts.config["model"]
    best, run, most = parts.metrics["best_epoch"][model], len(history), parts.config["training"]["epochs"]
    # A teacher's answers are a task of their own.
    several = len(parts.schema.tasks) > 1 or parts.config.get("distillation")
    shown = ["loss"]
    for task in parts.schema.tasks:
        curve = TASKS[task.type].curve
        shown.append(f"{task.name}_{curve}" if several else curve)
    epochs = [int(row["epoch"]) for row in history]
    charts = []
    for name in shown:
        series = {"training": [row[name] for row in history], "validation": [row[f"val_{name}"] for row in history]}
        if any(math.isfinite(value) for part in series.values() for value in part):
            charts.append(lines(name.replace("_", " "), epochs, series, best))
    said = f"{run} epoch(s) of at most {most}. The weights kept are those of epoch {best}, "
    said += f"which had the {TASKS[parts.schema.tasks[0].type].best_epoch} on the validation split."
    return section("Training", element("p", said), element("div", charts, class_="figures"), id_="training")


def results(parts):
    """One section for each task."""
    sections = []
    for place, (name, found) in enumerate(parts.metrics["tasks"].items()):
        detail, task = parts.details["tasks"][name], parts.schema[name]
        page = TASKS[task.type]
        own = page.section(found, detail, parts.details["rows_of"])
        if own is not None:
            sections.append(section(f"Results: {task.column}", own, id_=f"results-{place}"))
            continue
        contents = [_scores(found), _further(found), _by_kind(parts, task, found), page.mistakes(task, detail)]
        # Runs of before there were temperatures have no such figures.
        contents.append(calibration(task, found.get("calibration")))
        contents.append(examples(task, detail, parts.details["rows_of"]))
        contents.append(looked_at(detail.get("looked_at")))
        sections.append(section(f"Results: {task.column}", *contents, id_=f"results-{place}"))
    return join(sections)


def _scores(found):
    scores = found["scores"]
    first = next(iter(scores.values()))
    most = max(score["high"] for score in scores.values()) if first["name"] == "mae" else 1
    rows = [
        [
            name,
            element(
                "div",
                element("span", score_text(score, interval=True)),
                interval(score["value"], score["low"], score["high"], most, first=place == 0),
                class_="reading",
            ),
            f"{score['n']:,}",
        ]
        for place, (name, score) in enumerate(scores.items())
    ]
    better = "smaller is better" if first["name"] == "mae" else "larger is better"
    ends = f"0 to {most:.4g}" if first["name"] == "mae" else "0 to 100 %"
    header = ("", f"{METRICS[first['name']]} [95 % interval], lines from {ends}", "n")
    note = element("p", _N, class_="legend")
    caption = f"The model beside what it has to beat ({better})"
    return join(table(caption, header, rows, (2,), class_="scores"), note)


def _further(found):
    if not found["further"]:
        return None
    said = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in found["further"].items())
    return element("p", "Further figures of the model: ", said, ".")


def _by_kind(parts, task, found):
    by_kind = found["by_kind"]
    if not by_kind:
        return None
    own = next(iter(by_kind.values()))
    kinds = sorted(own, key=lambda kind: -own[kind]["n"])
    models = list(by_kind)
    column = parts.config.get("slice_by")
    caption = f"By {column}" if column else TASKS[task.type].by_class
    if len(kinds) > MOST_KINDS:
        caption += f" (the {MOST_KINDS} commonest of {len(kinds):,}; all are in metrics.json)"
    rows = []
    for kind in kinds[:MOST_KINDS]:
        cells = [score_text(by_kind[name][kind], interval=name == models[0]) for name in models]
        rows.append([kind, *cells, f"{own[kind]['n']:,}"])
    return table(caption, (column or "class", *models, "n"), rows, range(1, 2 + len(models)))
