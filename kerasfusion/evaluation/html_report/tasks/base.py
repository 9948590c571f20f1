"""How one task type is shown in the HTML report."""

from kerasfusion.evaluation.details import task_details
from kerasfusion.evaluation.html_report.attention_maps import looked_at_details


class TaskPage:
    """Base class of the registry's entries."""

    # The metric, beside the loss, whose curve is drawn.
    curve = "accuracy"
    # What the epoch whose weights are kept is best by.
    best_epoch = "lowest loss"
    # What the verdict compares with.
    rival = "the best baseline"
    # What the calibration counts.
    calibrated = "answers"
    # What a score by class is.
    by_class = "By class: the share of its rows that was found"
    # Headings of the rows answered wrong and right.
    example_titles = ("The most confident wrong answers", "The most confident right answers")

    def details(self, found, examples):
        """What the page needs of the task's report, as JSON values."""
        return task_details(found, examples)

    def looked_at(self, rows, found, examples):
        """What the model looked at, as JSON values."""
        return looked_at_details(rows, found, examples)

    def section(self, found, detail, rows_of):
        """The whole section of the results; None makes it of scores, mistakes, calibration and examples."""
        return None

    def mistakes(self, task, detail):
        """Where the mistakes are: Html."""
        raise NotImplementedError

    def examples_said(self, detail):
        """A sentence above the examples answered wrong and right."""
        return {
            "wrong": f"{detail['wrong_rows']:,} row(s) were answered wrong; here are those the model was surest of.",
            "right": f"{detail['right_rows']:,} row(s) were answered right.",
        }

    def answer(self, row):
        """The answer of an example row, as text."""
        return f"{row['answer']} ({row['probability']:.1%})"

    def label(self, row):
        """The label of an example row, as text."""
        return row["label"]

    def labels(self, column, found, rows):
        """The profile of the labels: Html.

        Args:
            column: The label's column.
            found: What the data layer's `profile` gave.
            rows: dict split -> number of rows.
        """
        raise NotImplementedError

    def outputs(self, task, several):
        """Served outputs and what they are: list of `(name, meaning)`."""
        raise NotImplementedError

    def requests(self, parts, row, run, base):
        """Requests to signatures of the task's own: Html or None."""
        return None
