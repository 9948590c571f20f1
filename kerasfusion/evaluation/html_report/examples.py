"""Rows that were answered wrong and right, with what went in."""

from kerasfusion.evaluation.html_report.html import element, join
from kerasfusion.evaluation.html_report.rows import place_line, shown_input
from kerasfusion.evaluation.html_report.tasks import TASKS


def examples(task, detail, rows_of):
    """The most confident wrong rows and the most confident right ones; of a number, the largest errors and the least.

    Args:
        task: A `Task`.
        detail: What `task_details` found.
        rows_of: A sentence on how rows are numbered.

    Returns:
        Html
    """
    page = TASKS[task.type]
    titles, said = dict(zip(("wrong", "right"), page.example_titles, strict=True)), page.examples_said(detail)
    said["wrong"] += f" {rows_of}"
    parts = []
    for sort, title in titles.items():
        cards = [_card(task, row, sort) for row in detail[sort]]
        none = f"There are none: no row was answered {sort}."
        shown = [element("p", said[sort]), element("div", cards, class_="cards")] if cards else element("p", none)
        parts += [element("h3", title), shown]
    return join(parts)


def _card(task, row, sort):
    answer = [element("dt", "answer"), element("dd", TASKS[task.type].answer(row), class_=f"answer {sort}")]
    answer += [element("dt", "label"), element("dd", TASKS[task.type].label(row))]
    return element(
        "article",
        [shown_input(row, cell) for cell in row["inputs"]],
        element("dl", answer),
        element("p", place_line(row), class_="place"),
        class_="card",
    )
