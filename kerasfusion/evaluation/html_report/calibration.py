"""Whether the probabilities can be believed."""

from kerasfusion.evaluation.html_report.figures import reliability
from kerasfusion.evaluation.html_report.html import element, join, table
from kerasfusion.evaluation.html_report.tasks import TASKS

_BEFORE, _AFTER = "as trained", "with the temperature"
_FIGURES = (("ece", "ECE"), ("brier", "Brier score"), ("nll", "negative log-likelihood"))


def calibration(task, found):
    """Figures and reliability diagrams of one task, before and after its temperature.

    Args:
        task: A `Task`.
        found: What `before_and_after` gave; None shows nothing.

    Returns:
        Html or None.
    """
    if found is None:
        return None
    temperature = found["temperature"]
    tendency = "too sure of itself" if temperature > 1 else "not sure enough"
    said = (
        f"The logits are divided by {temperature:.3g}, the temperature that fits the validation split best: as "
        f"trained, the model was {tendency} there. No answer changes by it, only how sure it is. All that gives "
        "probabilities, the exported model included, gives the calibrated ones."
    )
    if temperature == 1:
        said = "No temperature was fitted: the probabilities are as the model was trained."
    rows = [
        [name, *(f"{part[key]:.4f}" for key, _ in _FIGURES)]
        for name, part in ((_BEFORE, found["before"]), (_AFTER, found["after"]))
    ]
    caption = f"Calibration on these {found['rows']:,} rows (smaller is better)"
    figures = table(caption, ("", *(name for _, name in _FIGURES)), rows, (1, 2, 3))
    charts = [
        reliability(name.capitalize(), found[part]["bins"], "confidence")
        for name, part in ((_BEFORE, "before"), (_AFTER, "after"))
    ]
    answers = TASKS[task.type].calibrated
    note = (
        f"Up: the share of {answers} that were right, of those given with such a confidence. On the dashed line, "
        "confidence keeps what it promises; columns below it promise too much. A column is as opaque as it has "
        "answers. ECE: the mean distance of the 15 columns' confidence from the share that was right, by answers."
    )
    return join(
        element("h3", "Calibration"),
        element("p", said),
        figures,
        element("div", charts, class_="figures"),
        element("p", note, class_="legend"),
    )
