"""A Matplotlib figure as an element of a page, in the page's colors, light and dark, and in its fonts."""

import io
import re
from xml.etree import ElementTree

from kerasfusion.evaluation.charts import ACCENT, BAD, GOOD, QUIET, UNSURE
from kerasfusion.evaluation.html_report.html import Html

_INK, _SOFT, _LINE = "#1f2328", "#57606a", "#d0d7de"
# What is drawn in these has the page's color of that name (page.css), in the light and in the dark.
_NAMES = dict(zip((ACCENT, QUIET, GOOD, UNSURE, BAD), ("accent", "quiet", "good", "unsure", "bad"), strict=True))
_NAMES |= {_INK: "ink", _SOFT: "soft", _LINE: "line"}
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11.5,
    "text.color": _INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": _SOFT,
    "axes.labelpad": 2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def inline_svg(figure, alt):
    """The SVG of a figure, without ids, of which a page has each once, and without namespaces.

    Args:
        figure: A Matplotlib figure, made in `STYLE`. What one of its artists has as its gid, if that is several
            words, is shown when it is pointed at.
        alt: What it shows, in words.

    Returns:
        Html: an `<svg>`.
    """
    for artist in figure.findobj():
        # What clips is found by its id; nothing lies outside of its axes.
        artist.set_clip_on(False)
    file = io.StringIO()
    figure.savefig(file, format="svg")
    root = ElementTree.fromstring(file.getvalue())
    nodes = list(root.iter())
    by_id = {node.get("id"): node for node in nodes if node.get("id")}
    for node in nodes:
        node[:] = [_placed(child, by_id) for child in node if _local(child.tag) not in ("metadata", "defs")]
    for node in root.iter():
        node.tag = _local(node.tag)
        told = node.attrib.pop("id", "")
        if " " in told:
            title = ElementTree.Element("title")
            title.text = told
            node.insert(0, title)
        if "style" in node.attrib:
            node.set("style", _themed(node.get("style")))
    root.attrib = {"viewBox": root.get("viewBox"), "role": "img", "aria-label": alt}
    return Html(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))


def _local(tag):
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def _placed(node, by_id):
    """A marker is used by its id: a circle, or a path moved to its place, instead. Other nodes as they are."""
    if _local(node.tag) != "use":
        return node
    path, x, y = by_id[node.get("{http://www.w3.org/1999/xlink}href")[1:]].get("d"), node.get("x"), node.get("y")
    style = node.get("style", "")
    if "C" in path:
        # A round marker starts below its middle: "M 0 1.5".
        return ElementTree.Element("circle", {"cx": x, "cy": y, "r": path.split()[2], "style": style})
    return ElementTree.Element("path", {"d": path, "style": style, "transform": f"translate({x} {y})"})


def _themed(style):
    # Releases of Matplotlib write fonts in one way or the other; the size is kept.
    style = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", re.sub("font-family: [^;]*;? ?", "", style))
    for color, name in _NAMES.items():
        style = style.replace(color, f"var(--{name})")
    return style
