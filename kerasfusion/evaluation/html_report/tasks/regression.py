"""Labels that are numbers."""

from kerasfusion.evaluation.html_report.figures import histogram, scatter, short_number
from kerasfusion.evaluation.html_report.html import element, join
from kerasfusion.evaluation.html_report.profile_tables import ranges_table
from kerasfusion.evaluation.html_report.tasks.base import TaskPage


class RegressionPage(TaskPage):
    """Errors instead of right and wrong."""

    curve = "mae"
    example_titles = ("The largest errors", "The smallest errors")

    def mistakes(self, task, detail):
        chart = scatter(f"Answers beside labels, {task.column}", detail["points"], "label", "answer")
        return element("div", chart, class_="figures")

    def examples_said(self, detail):
        return {"wrong": "Rows by the size of their error.", "right": "The other end of the same list."}

    def answer(self, row):
        return f"{short_number(row['answer'])} (off by {row['error']:+.4g})"

    def label(self, row):
        return short_number(row["label"])

    def labels(self, column, found, rows):
        charts = [
            histogram(f"{column}, {name}", found["edges"], counts, column)
            for name, counts in found["counts"].items()
            if sum(counts)
        ]
        ranges = ranges_table(f"Values of {column}", found["range"])
        return join(element("h3", f"Labels: {column}"), ranges, element("div", charts, class_="figures"))

    def outputs(self, task, several):
        return [(task.name, "the number")]


class EmbeddingPage(RegressionPage):
    """Vectors are no answers that people read."""

    def outputs(self, task, several):
        return [(task.name, f"a vector of {len(task.classes)} numbers")]
