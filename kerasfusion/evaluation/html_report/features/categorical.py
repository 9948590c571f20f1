"""Categories on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart, nothing
from kerasfusion.evaluation.html_report.figures import bar
from kerasfusion.evaluation.html_report.html import element, join, table


class CategoricalPart(FeaturePart):
    """Categories by column."""

    def profile(self, schema, found):
        columns = [_column(name, part) for name, part in found.items()]
        return [join(element("h3", "Categories"), columns)] if columns else []

    def shown(self, row, cell):
        given = [f"{name} = {value}" for name, value in cell["categories"].items() if value]
        return element("p", ", ".join(given), class_="text") if given else nothing(cell)

    def cells(self, feature, sample):
        return dict(zip(feature.columns, sample, strict=True))


def _column(name, found):
    said = f"The model knows the {found['categories']:,} categories of the training split."
    if found["buckets"]:
        said = f"Too many for a vocabulary: hashed into {found['buckets']:,} buckets."
    rows = [
        ["categories", *(f"{count:,}" for count in found["distinct"].values())],
        ["cells unknown to the model", *(f"{count:,}" for count in found["unknown"].values())],
    ]
    counted = range(1, 1 + len(found["distinct"]))
    most = max((count for _, count in found["commonest"]), default=1)
    common = [[value, join(f"{count:,}", bar(count / most))] for value, count in found["commonest"]]
    return join(
        element("p", f"{name}: {said}"),
        table(f"Categories of {name}", ("", *found["distinct"]), rows, counted),
        table(f"The commonest of {name}", ("category", "rows"), common, (1,)),
    )
