"""Labels that are one box in an image."""

from kerasfusion.evaluation.html_report.figures import histogram
from kerasfusion.evaluation.html_report.html import element, join
from kerasfusion.evaluation.html_report.profile_tables import ranges_table
from kerasfusion.evaluation.html_report.tasks.base import TaskPage


class BoxPage(TaskPage):
    """A box is right where it overlaps its label by half."""

    def mistakes(self, task, detail):
        overlaps = detail["overlaps"]
        chart = histogram(f"Overlap with the label, {task.column}", overlaps["edges"], overlaps["counts"], "IoU")
        return element("div", chart, class_="figures")

    def labels(self, column, found, rows):
        charts = [
            histogram(f"{column}, {name}", found["edges"], counts, "share of the image")
            for name, counts in found["counts"].items()
            if sum(counts)
        ]
        ranges = ranges_table(f"Areas of {column}, as shares of the image", found["range"])
        return join(element("h3", f"Labels: {column}"), ranges, element("div", charts, class_="figures"))

    def outputs(self, task, several):
        score = f"{task.name}_score" if several else "score"
        return [
            (task.name, "left, top, right and bottom as fractions of the image"),
            (score, "from 0 to 1, how sure the box is"),
        ]
