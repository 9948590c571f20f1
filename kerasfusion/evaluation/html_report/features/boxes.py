"""Boxes on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart, nothing
from kerasfusion.evaluation.html_report.figures import bar, short_number
from kerasfusion.evaluation.html_report.html import element, join, table

MOST_NAMED = 8


class BoxPart(FeaturePart):
    """Boxes drawn over their image."""

    def profile(self, schema, found):
        return [_boxes(schema[name], part) for name, part in found.items()]

    def shown(self, row, cell):
        if not cell["boxes"]:
            return nothing(cell)
        names = cell["labels"] or [", ".join(f"{number:.2f}" for number in box) for box in cell["boxes"]]
        more = len(names) - MOST_NAMED
        said = "; ".join(names[:MOST_NAMED]) + (f"; and {more:,} more" if more > 0 else "")
        said = element("p", f"{len(names):,} box{'' if len(names) == 1 else 'es'}: {said}", class_="text")
        if "src" not in cell:
            return said
        small = "small" if max(cell["width"], cell["height"]) <= 64 else None
        alt = f"{cell['name']} of row {row['row']}"
        image = element("img", src=cell["src"], alt=alt, width=cell["width"], height=cell["height"], class_=small)
        return join(image, said)

    def request(self, feature, sample):
        return {feature.name: sample["input"]}

    def cells(self, feature, sample):
        return {feature.columns[0]: sample["cell"]}


def _boxes(feature, found):
    where = f"in {found['image']!r}" if found["image"] else "in an image that it does not see"
    said = f"The model takes up to {found['length']:,} boxes of a row, {where}. The table gives {found['units']}."
    names = list(found["boxes"])
    rows = []
    for title, part in (("boxes per row", "boxes"), ("area, share of the image", "area")):
        for key in ("mean", "smallest", "largest"):
            rows.append([f"{title}, {key}", *(short_number(found[part][name][key]) for name in names)])
    contents = [table(f"Boxes, {feature.columns[0]}", ("", *names), rows, range(1, 1 + len(names)))]
    if "commonest" in found:
        most = max((count for _, count in found["commonest"]), default=1)
        lines = [[name, join(f"{count:,}", bar(count / most))] for name, count in found["commonest"]]
        contents.append(
            table(f"The commonest categories of {feature.columns[0]}", ("category", "boxes"), lines, (1,))
        )
    return join(element("h3", f"Boxes: {feature.columns[0]}"), element("p", said), contents)
