"""A page about missing and noisy inputs."""

from kerasfusion.evaluation.corruptions import CORRUPTIONS
from kerasfusion.evaluation.html_report.figures import lines
from kerasfusion.evaluation.html_report.html import element, section, table
from kerasfusion.evaluation.html_report.render import document
from kerasfusion.evaluation.html_report.results import METRICS
from kerasfusion.evaluation.html_report.write import write_html

_DEGREES = {corruption.name: corruption.degree for corruption in CORRUPTIONS}


def write_robustness_page(path, found, schema, model, rows):
    """Write a page about how a model's scores fall as its inputs go missing or get noisy.

    Args:
        path: The file to write.
        found: A `Robustness`.
        schema: The run's `Schema`.
        model: The model's name, as in `found`.
        rows: What it was scored on, in words.

    Returns:
        Path: the page.
    """
    title = f"Missing and noisy inputs: {model} on {rows}"
    tasks = [_task(place, schema[name], found, model) for place, name in enumerate(found.curves["task"].unique())]
    return write_html(document(title, element("p", _said()), tasks), path)


def _said():
    return (
        "Inputs are spoiled by degrees, from nothing to all, the same rows, words and pixels for every model. "
        "Relative robustness is the area under a curve: the mean score on the way. Effective robustness is the area "
        "between it and the reference's curve, both taken from where they start on clean inputs: what is kept beyond "
        "what the reference keeps (above 0 is more robust). Both as in MultiBench (arXiv 2107.07502), without its "
        "rescaling."
    )


def _task(place, task, found, model):
    curves, summary = (frame[frame["task"] == task.name] for frame in (found.curves, found.summary))
    metric, n, reference = curves["metric"].iloc[0], curves["n"].iloc[0], summary["reference"].iloc[0]
    charts, rows = [], []
    for corruption, part in curves.groupby("corruption", sort=False):
        values = part.pivot(index="degree", columns="model", values="value")[part["model"].unique()]
        # The reference in gray and the model in the accent's color, as training and validation are.
        order = sorted(values.columns, key=lambda name: (name != reference, name != model))
        series = {name: values[name].tolist() for name in order}
        unit = _DEGREES.get(corruption, "degree")
        charts.append(lines(corruption, values.index.tolist(), series, unit=unit, within=curves["value"]))
        rows += [_row(corruption, line) for line in summary[summary["corruption"] == corruption].to_dict("records")]
    against = f"effective, against {reference}" if reference else "effective"
    better = "smaller is better" if metric == "mae" else "larger is better"
    caption = f"Relative robustness, in {METRICS[metric]} ({better}), and effective robustness (larger is better)"
    return section(
        f"{task.column}: {METRICS[metric]} of {n:,} rows",
        element("div", charts, class_="figures"),
        table(caption, ("", "model", "relative", against), rows, (2, 3)),
        id_=f"robustness-{place}",
    )


def _row(corruption, line):
    one = "{:.4g}".format if line["metric"] == "mae" else "{:.1%}".format
    gained = "{:+.4g}".format if line["metric"] == "mae" else "{:+.1%}".format
    effective = "–" if line["reference"] is None else gained(line["effective"])
    return [corruption, line["model"], one(line["relative"]), effective]
