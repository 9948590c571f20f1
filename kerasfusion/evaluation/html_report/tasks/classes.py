"""Labels with classes: one of them, or any number of tags."""

from kerasfusion.evaluation.html_report.figures import bar
from kerasfusion.evaluation.html_report.html import element, join, scrolling_table, table
from kerasfusion.evaluation.html_report.tasks.base import TaskPage

MOST_PROFILED_CLASSES = 60
MOST_SCORED_CLASSES = 100
MOST_SERVED_CLASSES = 10


class OneClassPage(TaskPage):
    """Labels that are one class of several."""

    noun = "class"
    served = "the name of the class"

    def mistakes(self, task, detail):
        contents = []
        if "matrix" in detail:
            contents.append(_matrix(task, detail["matrix"]))
        elif detail.get("pairs"):
            rows = [[label, answer, f"{count:,}"] for label, answer, count in detail["pairs"]]
            contents.append(table("The commonest mistakes", ("label", "taken for", "rows"), rows, (2,)))
        contents.append(_classes(self.noun, detail["classes"]))
        return join(contents)

    def totals(self, found, rows):
        """What the counts of each split are shares of."""
        return {split: max(sum(counts), 1) for split, counts in found["counts"].items()}

    def labels(self, column, found, rows):
        splits, totals = list(found["counts"]), self.totals(found, rows)
        order = sorted(range(len(found["classes"])), key=lambda c: -sum(found["counts"][s][c] for s in splits))
        lines = []
        for place in order[:MOST_PROFILED_CLASSES]:
            counts = [found["counts"][split][place] for split in splits]
            shares = [count / totals[split] for count, split in zip(counts, splits, strict=True)]
            cells = [
                join(f"{count:,} ({share:.1%})", bar(share)) for count, share in zip(counts, shares, strict=True)
            ]
            lines.append([found["classes"][place], *cells])
        if "untagged" in found:
            lines.append([element("em", "no tag"), *(f"{found['untagged'][split]:,}" for split in splits)])
        caption = f"Rows of each {self.noun} of {column}"
        if len(order) > MOST_PROFILED_CLASSES:
            caption += f" (the {MOST_PROFILED_CLASSES} commonest of {len(order):,})"
        shown = table(caption, (self.noun, *splits), lines, range(1, 1 + len(splits)))
        return join(element("h3", f"Labels: {column}"), shown)

    def outputs(self, task, several):
        classes = ", ".join(task.classes[:MOST_SERVED_CLASSES])
        if len(task.classes) > MOST_SERVED_CLASSES:
            classes += f", … ({len(task.classes):,}, in the order of schema.json)"
        probabilities = f"{task.name}_probabilities" if several else "probabilities"
        return [(task.name, self.served), (probabilities, f"one for each of: {classes}")]


class MultilabelPage(OneClassPage):
    """Labels that are any number of tags."""

    curve = "tag_accuracy"
    calibrated = "tags answered yes or no"
    noun = "tag"
    served = "tags divided by |"

    def examples_said(self, detail):
        said = super().examples_said(detail)
        said["wrong"] += " A row is right when all of its tags are; beside it the tag that decided its place here."
        return said

    def answer(self, row):
        given = row["tag"] in row["answer"].split("|")
        return f"{_tags(row['answer'])} ({'' if given else 'not '}{row['tag']}: {row['probability']:.1%})"

    def label(self, row):
        return _tags(row["label"])

    def totals(self, found, rows):
        # The share of rows: tags of a row do not exclude one another.
        return {split: max(rows[split], 1) for split in found["counts"]}


class SegmentsPage(MultilabelPage):
    """Labels that are the segments of a video that belong to a summary."""

    curve = "segment_accuracy"
    calibrated = "segments answered yes or no"
    noun = "segment"
    served = "numbers of segments divided by |"


def _tags(joined):
    return joined.replace("|", ", ") if joined else "no tag"


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


def _classes(noun, classes):
    kept = sorted(classes, key=lambda part: -part["support"])[:MOST_SCORED_CLASSES]
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
