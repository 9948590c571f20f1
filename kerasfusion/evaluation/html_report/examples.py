"""Rows that were answered wrong and right, with what went in."""

from kerasfusion.evaluation.html_report.figures import short_number
from kerasfusion.evaluation.html_report.html import element, join


def examples(task, detail, rows_of):
    """The most confident wrong rows and the most confident right ones; of a number, the largest errors and the least.

    Args:
        task: A `Task`.
        detail: What `task_details` found.
        rows_of: A sentence on how rows are numbered.

    Returns:
        Html
    """
    if task.type == "regression":
        titles = {"wrong": "The largest errors", "right": "The smallest errors"}
        said = {"wrong": "Rows by the size of their error.", "right": "The other end of the same list."}
    else:
        titles = {"wrong": "The most confident wrong answers", "right": "The most confident right answers"}
        said = {
            "wrong": f"{detail['wrong_rows']:,} row(s) were answered wrong; here are those the model was surest of.",
            "right": f"{detail['right_rows']:,} row(s) were answered right.",
        }
    if task.type == "multilabel":
        said["wrong"] += " A row is right when all of its tags are; beside it the tag that decided its place here."
    said["wrong"] += f" {rows_of}"
    parts = []
    for sort, title in titles.items():
        cards = [_card(task, row, sort) for row in detail[sort]]
        none = f"There are none: no row was answered {sort}."
        shown = [element("p", said[sort]), element("div", cards, class_="cards")] if cards else element("p", none)
        parts += [element("h3", title), shown]
    return join(parts)


def _card(task, row, sort):
    answer = [element("dt", "answer"), element("dd", _answer(task, row), class_=f"answer {sort}")]
    answer += [element("dt", "label"), element("dd", _label(task, row))]
    return element(
        "article",
        [shown_input(row, cell) for cell in row["inputs"]],
        element("dl", answer),
        element("p", place_line(row), class_="place"),
        class_="card",
    )


def place_line(row):
    """The row's number and its images' paths."""
    paths = [cell["path"] for cell in row["inputs"] if cell.get("path")]
    return " · ".join([f"row {row['row']:,}", *paths])


def _answer(task, row):
    if task.type == "regression":
        return f"{short_number(row['answer'])} (off by {row['error']:+.4g})"
    if task.type == "multilabel":
        given = row["tag"] in row["answer"].split("|")
        return f"{_tags(row['answer'])} ({'' if given else 'not '}{row['tag']}: {row['probability']:.1%})"
    return f"{row['answer']} ({row['probability']:.1%})"


def _label(task, row):
    if task.type == "regression":
        return short_number(row["label"])
    return _tags(row["label"]) if task.type == "multilabel" else row["label"]


def _tags(joined):
    return joined.replace("|", ", ") if joined else "no tag"


def shown_input(row, cell):
    """One cell that went in, as text or as an image."""
    if cell["kind"] == "text":
        return element("p", cell["text"], class_="text") if cell["text"].strip() else _none(cell)
    if cell["kind"] == "numeric":
        shown = (f"{name} = {short_number(value)}" for name, value in cell["numeric"].items())
        return element("p", ", ".join(shown), class_="text")
    if "src" not in cell:
        return element("p", "the image cannot be read", class_="none") if cell["given"] else _none(cell)
    small = "small" if max(cell["width"], cell["height"]) <= 64 else None
    alt = f"{cell['name']} of row {row['row']}"
    return element("img", src=cell["src"], alt=alt, width=cell["width"], height=cell["height"], class_=small)


def _none(cell):
    return element("p", f"no {cell['name']}", class_="none")
