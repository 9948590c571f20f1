"""Texts on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart, nothing
from kerasfusion.evaluation.html_report.html import element
from kerasfusion.evaluation.html_report.profile_tables import texts


class TextPart(FeaturePart):
    """Texts as they are."""

    def profile(self, schema, found):
        return [texts(schema[name].columns[0], part) for name, part in found.items()]

    def shown(self, row, cell):
        return element("p", cell["text"], class_="text") if cell["text"].strip() else nothing(cell)
