"""Captions."""

from kerasfusion.evaluation.html_report.captions import caption_details, captions, word_details
from kerasfusion.evaluation.html_report.profile_tables import texts
from kerasfusion.evaluation.html_report.requests import writing
from kerasfusion.evaluation.html_report.tasks.base import TaskPage


class CaptioningPage(TaskPage):
    """What was written beside what people wrote. Its curve is the accuracy of the next token."""

    def details(self, found, examples):
        return caption_details(found, examples)

    def looked_at(self, rows, found, examples):
        return word_details(rows, found, examples)

    def section(self, found, detail, rows_of):
        return captions(found, detail, rows_of)

    def labels(self, column, found, rows):
        return texts(column, found, "Captions", "learns to write")

    def outputs(self, task, several):
        return [
            (task.name, "what is written, the likeliest word each time"),
            ("log_probability", "of all of its words together, and the end"),
        ]

    def requests(self, parts, row, run, base):
        return writing(parts, row, run, base)
