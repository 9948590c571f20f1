"""The profile of the rows."""

from kerasfusion.evaluation.html_report.features import FEATURES
from kerasfusion.evaluation.html_report.html import element, join, section, table
from kerasfusion.evaluation.html_report.tasks import TASKS


def profile_section(parts):
    """What the table holds: classes, lengths, sizes, ranges, gaps, repeats, and what was left out."""
    profile = parts.details["profile"]
    contents = [element("p", _rows(profile["rows"]))]
    contents += [
        TASKS[found["type"]].labels(parts.schema[task].column, found, profile["rows"])
        for task, found in profile["labels"].items()
    ]
    for kind, part in FEATURES.items():
        contents += part.profile(parts.schema, profile.get(kind, {}))
    contents += [_missing(parts.schema, profile), _repeats(profile), _skipped(parts.details)]
    return section("The data", *contents, id_="data")


def _rows(rows):
    parts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    return f"{sum(rows.values()):,} rows{f': {parts}' if len(rows) > 1 else ''}."


def _missing(schema, profile):
    rows = [
        [", ".join(schema[name].columns), *(f"{count:,}" for count in counts.values())]
        for name, counts in profile["missing"].items()
    ]
    splits = list(profile["rows"])
    return join(
        element("h3", "Missing, repeated, left out"),
        table("Rows without", ("input", *splits), rows, range(1, 1 + len(splits))),
    )


def _repeats(profile):
    repeats = profile["repeats"]
    if not repeats["rows"]:
        return element("p", "No two rows have the same inputs.")
    said = [f"{repeats['rows']:,} row(s) have the same inputs as an earlier row."]
    for task, count in repeats["other_label"].items():
        if count:
            said.append(f"The inputs of {count:,} row(s) also occur with another {task}: these cannot all be right.")
    return element("p", " ".join(said))


def _skipped(details):
    if not details["skipped"]:
        return element("p", "Every row of the table was used.")
    rows = [
        [part["reason"], f"{part['count']:,}", "; ".join(f"row {r}, {c}: {v}" for r, c, v in part["examples"])]
        for part in details["skipped"]
    ]
    return table("Not used, or taken as missing", ("why", "rows", "for example"), rows, (1,))
