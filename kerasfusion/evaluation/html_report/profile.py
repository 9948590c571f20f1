"""The profile of the rows."""

from kerasfusion.evaluation.html_report.figures import bar, short_number
from kerasfusion.evaluation.html_report.html import element, join, section, table
from kerasfusion.evaluation.html_report.profile_tables import ranges_table, texts
from kerasfusion.evaluation.html_report.tasks import TASKS


def profile_section(parts):
    """What the table holds: classes, lengths, sizes, ranges, gaps, repeats, and what was left out."""
    profile = parts.details["profile"]
    contents = [element("p", _rows(profile["rows"]))]
    contents += [
        TASKS[found["type"]].labels(parts.schema[task].column, found, profile["rows"])
        for task, found in profile["labels"].items()
    ]
    contents += [texts(parts.schema[name].columns[0], found) for name, found in profile["text"].items()]
    contents += [_image(parts.schema[name].columns[0], found) for name, found in profile["image"].items()]
    contents += [_numbers(profile["numeric"]), _missing(parts.schema, profile)]
    contents += [_repeats(profile), _skipped(parts.details)]
    return section("The data", *contents, id_="data")


def _rows(rows):
    parts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    return f"{sum(rows.values()):,} rows{f': {parts}' if len(rows) > 1 else ''}."


def _image(name, found):
    said = f"The model sees {found['size'][0]} × {found['size'][1]} pixels (height × width). "
    if found.get("sizes"):
        sides = f"{_span(found['height'])} × {_span(found['width'])}"
        sizes = f" in {found['distinct_sizes']:,} sizes" if found["distinct_sizes"] > 1 else ""
        said += f"The images came as {sides}{sizes}."
    rows = [["images", *(f"{count:,}" for count in found["images"].values())]]
    for key in ("mean", "largest"):
        shown = [short_number(part[key]) for part in found["rows_per_image"].values()]
        rows.append([f"rows per image, {key}", *shown])
    contents = [table(f"Images, {name}", ("", *found["images"]), rows, range(1, 1 + len(found["images"])))]
    if found.get("sizes") and found["distinct_sizes"] > 1:
        most = max(count for *_, count in found["sizes"])
        lines = [
            [f"{height} × {width}", join(f"{count:,}", bar(count / most))] for height, width, count in found["sizes"]
        ]
        contents.append(table("The commonest sizes", ("height × width", "images"), lines, (1,)))
    return join(element("h3", f"Images: {name}"), element("p", said), contents)


def _numbers(found):
    tables = [ranges_table(f"Values of {column}", ranges) for column, ranges in found.items()]
    return join(element("h3", "Numbers"), tables) if tables else None


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


def _span(ranges):
    low, high = ranges["smallest"], ranges["largest"]
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
