"""Images on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart, nothing
from kerasfusion.evaluation.html_report.figures import bar, short_number
from kerasfusion.evaluation.html_report.html import element, join, table
from kerasfusion.evaluation.html_report.requests import IMAGE


class ImagePart(FeaturePart):
    """Images as thumbnails."""

    def profile(self, schema, found):
        return [_image(schema[name].columns[0], part) for name, part in found.items()]

    def shown(self, row, cell):
        if "src" not in cell:
            return element("p", "the image cannot be read", class_="none") if cell["given"] else nothing(cell)
        small = "small" if max(cell["width"], cell["height"]) <= 64 else None
        alt = f"{cell['name']} of row {row['row']}"
        return element("img", src=cell["src"], alt=alt, width=cell["width"], height=cell["height"], class_=small)

    def request(self, feature, sample):
        return {f"{feature.name}_bytes": {"b64": IMAGE}}

    def cells(self, feature, sample):
        return {feature.columns[0]: "image.png"}

    def answers(self, feature):
        return [(f"{feature.name}_ok", "whether the image could be read; if not, it counts as missing")]


def _image(name, found):
    said = f"The model sees {found['size'][0]} × {found['size'][1]} pixels (height × width). "
    if found.get("sizes"):
        sides = f"{_span(found['height'])} × {_span(found['width'])}"
        sizes = f" in {found['distinct_sizes']:,} sizes" if found["distinct_sizes"] > 1 else ""
        said += f"The images came as {sides}{sizes}."
    rows = [["images", *(f"{count:,}" for count in found["images"].values())]]
    for key in ("mean", "largest"):
        shown = [short_number(part[key]) for part in found["rows_per_image"].values()]
        rows.append([f"rows per image, {key}", *shown])
    contents = [table(f"Images, {name}", ("", *found["images"]), rows, range(1, 1 + len(found["images"])))]
    if found.get("sizes") and found["distinct_sizes"] > 1:
        most = max(count for *_, count in found["sizes"])
        lines = [
            [f"{height} × {width}", join(f"{count:,}", bar(count / most))] for height, width, count in found["sizes"]
        ]
        contents.append(table("The commonest sizes", ("height × width", "images"), lines, (1,)))
    return join(element("h3", f"Images: {name}"), element("p", said), contents)


def _span(ranges):
    low, high = ranges["smallest"], ranges["largest"]
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
