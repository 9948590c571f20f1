"""Numbers on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart
from kerasfusion.evaluation.html_report.figures import short_number
from kerasfusion.evaluation.html_report.html import element, join
from kerasfusion.evaluation.html_report.profile_tables import ranges_table


class NumericPart(FeaturePart):
    """Numbers by column."""

    def profile(self, schema, found):
        tables = [ranges_table(f"Values of {column}", ranges) for column, ranges in found.items()]
        return [join(element("h3", "Numbers"), tables)] if tables else []

    def shown(self, row, cell):
        numbers = (f"{name} = {short_number(value)}" for name, value in cell["numeric"].items())
        return element("p", ", ".join(numbers), class_="text")

    def cells(self, feature, sample):
        return dict(zip(feature.columns, sample, strict=True))
