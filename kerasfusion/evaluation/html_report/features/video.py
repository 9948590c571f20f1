"""Videos on a page."""

from kerasfusion.evaluation.html_report.features.base import FeaturePart, nothing
from kerasfusion.evaluation.html_report.figures import short_number
from kerasfusion.evaluation.html_report.html import element, join, table
from kerasfusion.evaluation.html_report.profile_tables import ranges_table
from kerasfusion.evaluation.html_report.requests import FRAMES


class VideoPart(FeaturePart):
    """Videos as strips of frames."""

    def profile(self, schema, found):
        return [_video(schema[name].columns[0], part) for name, part in found.items()]

    def shown(self, row, cell):
        if "src" not in cell:
            return element("p", "the video cannot be read", class_="none") if cell["given"] else nothing(cell)
        alt = f"frames of {cell['name']} of row {row['row']}"
        return element("img", src=cell["src"], alt=alt, width=cell["width"], height=cell["height"])

    def request(self, feature, sample):
        return {f"{feature.name}_bytes": [{"b64": frame} for frame in FRAMES]}

    def cells(self, feature, sample):
        return {feature.columns[0]: ["frame_1.png", "frame_2.png"]}

    def answers(self, feature):
        return [(f"{feature.name}_ok", "whether a frame of the video could be read; if not, it counts as missing")]


def _video(name, found):
    height, width = found["size"]
    said = f"The model sees {found['length']} frames of {height} × {width} pixels (height × width), evenly spaced. "
    if found.get("height"):
        said += f"The videos came as {_span(found['height'])} × {_span(found['width'])}."
    rows = [["videos", *(f"{count:,}" for count in found["videos"].values())]]
    for key in ("mean", "largest"):
        shown = [short_number(part[key]) for part in found["rows_per_video"].values()]
        rows.append([f"rows per video, {key}", *shown])
    contents = [table(f"Videos, {name}", ("", *found["videos"]), rows, range(1, 1 + len(found["videos"])))]
    if found.get("frames"):
        contents.append(ranges_table(f"Frames of a video as it came, {name}", {"all": found["frames"]}))
    return join(element("h3", f"Videos: {name}"), element("p", said), contents)


def _span(ranges):
    low, high = ranges["smallest"], ranges["largest"]
    if low is None:
        return "unknown"
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
