"""The verdict, and what was asked."""

from kerasfusion.evaluation.html_report.html import element, join, section, table
from kerasfusion.evaluation.html_report.tasks import TASKS
from kerasfusion.evaluation.linear_baseline import recommend
from kerasfusion.evaluation.scores import ALONE
from kerasfusion.evaluation.statistics import BEATS, UNDECIDED, WORSE

_SIGNS = {
    BEATS: "Better than {}",
    UNDECIDED: "Not significantly different from {}",
    WORSE: "Worse than {}",
    ALONE: "Scored without baselines",
}


def verdicts(parts):
    """One box per task: whether the model beats the best that does without joining."""
    boxes = []
    for name, task in parts.metrics["tasks"].items():
        signs = {state: sign.format(TASKS[parts.schema[name].type].rival) for state, sign in _SIGNS.items()}
        # Runs of before version 0.2 have another word or none.
        found = task.get("standing")
        sign = element("strong", signs[found]) if found in signs else None
        # What to do goes first.
        better = element("strong", recommend(task["recommended"])) if task.get("recommended") else None
        boxes.append(element("p", better, " ", sign, " ", task["verdict"], class_=verdict_class(found)))
    return join(boxes)


def verdict_class(state):
    """The CSS class of a verdict: its first word."""
    return f"verdict {(state or ALONE).split()[0]}"


def notes(parts):
    """What a reader of the figures must know before they believe them: leaks, repeats, classes that are rare."""
    return join([element("p", "Note: ", note, class_="note") for note in parts.details["notes"]])


def asked(parts):
    """The table, the role of each column, the model and how it was trained."""
    config, details = parts.config, parts.details
    facts = [("table", config["source"]), ("model", config["model"])]
    if config.get("changes"):
        facts.append(("changed settings", listed(config["changes"])))
    if config.get("distillation"):
        facts.append(("teacher", listed(config["distillation"])))
    facts += [("training", listed(config["training"]))] if "training" in config else []
    facts.append(("made", details["made"]))
    if details.get("command"):
        facts.append(("command", element("code", details["command"])))
    facts.append(("versions", listed(details["versions"], " ")))
    facts += [("machine", config["machine"])] if "machine" in config else []
    roles = None
    if details.get("settings"):
        header = ("what", "value", "why", "change with")
        rows = [[*row[:3], element("code", row[3]) if row[3] else ""] for row in details["settings"]]
        roles = table("Columns and settings", header, rows)
    return section("What was asked", table("The run", ("", ""), facts, class_="facts"), roles, id_="asked")


def listed(values, sign=" = "):
    return ", ".join(f"{name}{sign}{value}" for name, value in values.items())
