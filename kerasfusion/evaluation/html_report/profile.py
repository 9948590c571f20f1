"""The profile of the rows."""

from kerasfusion.evaluation.html_report.figures import bar, histogram, short_number
from kerasfusion.evaluation.html_report.html import element, join, section, table

MOST_CLASSES = 60


def profile_section(parts):
    """What the table holds: classes, lengths, sizes, ranges, gaps, repeats, and what was left out."""
    profile = parts.details["profile"]
    contents = [element("p", _rows(profile["rows"]))]
    contents += [
        _labels(parts.schema[task].column, found, profile["rows"]) for task, found in profile["labels"].items()
    ]
    contents += [_text(parts.schema[name].columns[0], found) for name, found in profile["text"].items()]
    contents += [_image(parts.schema[name].columns[0], found) for name, found in profile["image"].items()]
    contents += [_numbers(profile["numeric"]), _missing(parts.schema, profile)]
    contents += [_repeats(profile), _skipped(parts.details)]
    return section("The data", *contents, id_="data")


def _rows(rows):
    parts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    return f"{sum(rows.values()):,} rows{f': {parts}' if len(rows) > 1 else ''}."


def _labels(task, found, rows):
    heading = element("h3", f"Labels: {task}")
    if found["type"] == "captioning":
        return _text(task, found, "Captions", "learns to write")
    if found["type"] == "regression":
        charts = [
            histogram(f"{task}, {name}", found["edges"], counts, task)
            for name, counts in found["counts"].items()
            if sum(counts)
        ]
        return join(heading, _ranges(f"Values of {task}", found["range"]), element("div", charts, class_="figures"))
    splits = list(found["counts"])
    # The share of rows: tags of a row do not exclude one another.
    totals = {
        split: max(rows[split] if found["type"] == "multilabel" else sum(counts), 1)
        for split, counts in found["counts"].items()
    }
    order = sorted(range(len(found["classes"])), key=lambda c: -sum(found["counts"][s][c] for s in splits))
    lines = []
    for place in order[:MOST_CLASSES]:
        counts = [found["counts"][split][place] for split in splits]
        shares = [count / totals[split] for count, split in zip(counts, splits, strict=True)]
        cells = [join(f"{count:,} ({share:.1%})", bar(share)) for count, share in zip(counts, shares, strict=True)]
        lines.append([found["classes"][place], *cells])
    if "untagged" in found:
        lines.append([element("em", "no tag"), *(f"{found['untagged'][split]:,}" for split in splits)])
    noun = "tag" if found["type"] == "multilabel" else "class"
    caption = f"Rows of each {noun} of {task}"
    if len(order) > MOST_CLASSES:
        caption += f" (the {MOST_CLASSES} commonest of {len(order):,})"
    return join(heading, table(caption, (noun, *splits), lines, range(1, 1 + len(splits))))


def _text(name, found, title="Texts", does="reads"):
    counts = [sum(counts) for counts in zip(*found["counts"].values(), strict=True)]
    said = f"Vocabulary: {found['vocabulary']:,} words. The model {does} the first {found['length']} of a text."
    ranges = _ranges(
        f"Words per text, {name}",
        found["range"],
        ("texts that are cut", [f"{count:,}" for count in found["cut"].values()]),
        ("words unknown to the model", [f"{share:.1%}" for share in found["unknown"].values()]),
    )
    chart = histogram("Words per text, all rows", found["edges"], counts, "words") if counts else None
    heading = element("h3", f"{title}: {name}")
    return join(heading, element("p", said), ranges, element("div", chart, class_="figures"))


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
    tables = [_ranges(f"Values of {column}", ranges) for column, ranges in found.items()]
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


def _ranges(caption, ranges, *further):
    names = ("smallest", "median", "mean", "largest")
    rows = [[name, *(short_number(part[name]) for part in ranges.values())] for name in names]
    if any(part["missing"] for part in ranges.values()):
        rows.append(["missing", *(f"{part['missing']:,}" for part in ranges.values())])
    rows += [[name, *cells] for name, cells in further]
    return table(caption, ("", *ranges), rows, range(1, 1 + len(ranges)))


def _span(ranges):
    low, high = ranges["smallest"], ranges["largest"]
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
