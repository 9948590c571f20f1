"""One of several ordered classes."""

from kerasfusion.evaluation.html_report.tasks.classes import OneClassPage


class OrdinalPage(OneClassPage):
    """Distances in classes beside the confusion matrix."""

    curve = "mae"
    by_class = "By class: the mean distance of its rows' answers, in classes"
    served = "the name of the median class"
