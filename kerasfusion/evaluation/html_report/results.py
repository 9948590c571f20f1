"""Learning curves, scores beside baselines, and where the mistakes are."""

import math

from kerasfusion.evaluation.html_report.attention_maps import looked_at
from kerasfusion.evaluation.html_report.calibration import calibration
from kerasfusion.evaluation.html_report.captions import captions
from kerasfusion.evaluation.html_report.examples import examples
from kerasfusion.evaluation.html_report.figures import bar, interval, lines, scatter
from kerasfusion.evaluation.html_report.html import element, join, scrolling_table, section, table
from kerasfusion.evaluation.html_report.retrieval import matches
from kerasfusion.evaluation.statistics import RESAMPLES

MOST_KINDS = 50
MOST_CLASSES = 100
METRICS = {"accuracy": "accuracy", "f1_micro": "micro F1", "mae": "mean absolute error"}
_N = (
    "Intervals of 95 %: of shares Wilson's, with a design effect for rows of one image; of errors the bootstrap over "
    f"images ({RESAMPLES:,} samples)."
)
# A match's is the recall within a batch; those of the whole gallery are in the results.
_CURVES = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "tag_accuracy",
    "regression": "mae",
    "retrieval": "recall",
}
# The share of words that are the likeliest after those before them.
_CURVES["captioning"] = "accuracy"


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
    shown += [f"{task.name}_{_CURVES[task.type]}" if several else _CURVES[task.type] for task in parts.schema.tasks]
    epochs = [int(row["epoch"]) for row in history]
    charts = []
    for name in shown:
        series = {"training": [row[name] for row in history], "validation": [row[f"val_{name}"] for row in history]}
        if any(math.isfinite(value) for part in series.values() for value in part):
            charts.append(lines(name.replace("_", " "), epochs, series, best))
    said = f"{run} epoch(s) of at most {most}. The weights kept are those of epoch {best}, "
    match = parts.schema.of_type("retrieval")
    said += f"which had the {'highest recall' if match else 'lowest loss'} on the validation split."
    return section("Training", element("p", said), element("div", charts, class_="figures"), id_="training")


def results(parts):
    """One section for each task."""
    sections = []
    for place, (name, found) in enumerate(parts.metrics["tasks"].items()):
        detail, task = parts.details["tasks"][name], parts.schema[name]
        if task.type == "retrieval":
            sections.append(section(f"Results: {task.column}", matches(found, detail), id_=f"results-{place}"))
            continue
        if task.type == "captioning":
            shown = captions(found, detail, parts.details["rows_of"])
            sections.append(section(f"Results: {task.column}", shown, id_=f"results-{place}"))
            continue
        contents = [_scores(found), _further(found), _by_kind(parts, found), _mistakes(task, detail)]
        # Runs of before there were temperatures have no such figures.
        contents.append(calibration(task, found.get("calibration")))
        contents.append(examples(task, detail, parts.details["rows_of"]))
        contents.append(looked_at(detail.get("looked_at")))
        sections.append(section(f"Results: {task.column}", *contents, id_=f"results-{place}"))
    return join(sections)


def figure(score, ends=False):
    """A score as people read it, with its interval where wanted."""
    one = "{:.4g}".format if score["name"] == "mae" else "{:.1%}".format
    value = one(score["value"])
    return f"{value} [{one(score['low'])}, {one(score['high'])}]" if ends else value


def _scores(found):
    scores = found["scores"]
    first = next(iter(scores.values()))
    most = max(score["high"] for score in scores.values()) if first["name"] == "mae" else 1
    rows = [
        [
            name,
            element(
                "div",
                element("span", figure(score, ends=True)),
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


def _by_kind(parts, found):
    by_kind = found["by_kind"]
    if not by_kind:
        return None
    own = next(iter(by_kind.values()))
    kinds = sorted(own, key=lambda kind: -own[kind]["n"])
    models = list(by_kind)
    column = parts.config.get("slice_by")
    caption = f"By {column}" if column else "By class: the share of its rows that was found"
    if len(kinds) > MOST_KINDS:
        caption += f" (the {MOST_KINDS} commonest of {len(kinds):,}; all are in metrics.json)"
    rows = []
    for kind in kinds[:MOST_KINDS]:
        cells = [figure(by_kind[name][kind], ends=name == models[0]) for name in models]
        rows.append([kind, *cells, f"{own[kind]['n']:,}"])
    return table(caption, (column or "class", *models, "n"), rows, range(1, 2 + len(models)))


def _mistakes(task, detail):
    if task.type == "regression":
        chart = scatter(f"Answers beside labels, {task.column}", detail["points"], "label", "answer")
        return element("div", chart, class_="figures")
    contents = []
    if "matrix" in detail:
        contents.append(_matrix(task, detail["matrix"]))
    elif detail.get("pairs"):
        rows = [[label, answer, f"{count:,}"] for label, answer, count in detail["pairs"]]
        contents.append(table("The commonest mistakes", ("label", "taken for", "rows"), rows, (2,)))
    contents.append(_classes(task, detail["classes"]))
    return join(contents)


def _matrix(task, matrix):
    names = task.classes
    head = [element("th", "label \\ answer", scope="col")]
    head += [element("th", element("span", name), scope="col") for name in names]
    body = []
    for name, row in zip(names, matrix, strict=True):
        total = max(sum(row), 1)
        cells = [_cell(count, count / total) for count in row]
        body.append(element("tr", element("th", name, scope="row"), cells))
    caption = f"Confusion matrix of {task.column}: rows are labels, columns answers, shades the share of the row"
    return scrolling_table(caption, head, body, "matrix" if len(names) > 4 else "matrix wide")


def _cell(count, share):
    if not count:
        return element("td", element("span", "0", class_="zero"))
    # Pale enough for the page's ink, in light and in dark.
    return element("td", f"{count:,}", style=f"background:rgba(31,111,235,{0.8 * share:.2f})")


def _classes(task, classes):
    noun = "tag" if task.type == "multilabel" else "class"
    kept = sorted(classes, key=lambda part: -part["support"])[:MOST_CLASSES]
    rows = [
        [
            part["name"],
            *(join(f"{part[key]:.1%}", bar(part[key])) for key in ("precision", "recall", "f1")),
            f"{part['support']:,}",
            f"{part['decided']:,}",
        ]
        for part in kept
    ]
    caption = f"Precision, recall and F1 of each {noun}"
    if len(kept) < len(classes):
        caption += f" (the {len(kept)} commonest of {len(classes):,})"
    header = (noun, "precision", "recall", "F1", "rows with it", "answered")
    return table(caption, header, rows, range(1, 6))
