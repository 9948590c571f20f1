"""Retrieval."""

from kerasfusion.evaluation.html_report.requests import searching
from kerasfusion.evaluation.html_report.retrieval import match_details, matches
from kerasfusion.evaluation.html_report.tasks.base import TaskPage


class RetrievalPage(TaskPage):
    """Recall of both directions. Its curve is the recall within a batch, not of the whole gallery."""

    curve = "recall"
    best_epoch = "highest recall"
    rival = "chance"

    def details(self, found, examples):
        return match_details(found, examples)

    def section(self, found, detail, rows_of):
        return matches(found, detail)

    def outputs(self, task, several):
        return [("similarity", "the cosine of image and text, -1 to 1")]

    def requests(self, parts, row, run, base):
        return searching(parts, row, run, base)
