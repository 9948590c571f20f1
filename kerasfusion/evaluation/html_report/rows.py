"""One row of a table on a page: its place, and what went in."""

from kerasfusion.evaluation.html_report.figures import short_number
from kerasfusion.evaluation.html_report.html import element


def place_line(row):
    """The row's number and its images' paths."""
    paths = [cell["path"] for cell in row["inputs"] if cell.get("path")]
    return " · ".join([f"row {row['row']:,}", *paths])


def shown_input(row, cell):
    """One cell that went in, as text or as an image."""
    if cell["kind"] == "text":
        return element("p", cell["text"], class_="text") if cell["text"].strip() else _none(cell)
    if cell["kind"] == "numeric":
        shown = (f"{name} = {short_number(value)}" for name, value in cell["numeric"].items())
        return element("p", ", ".join(shown), class_="text")
    if "src" not in cell:
        return element("p", "the image cannot be read", class_="none") if cell["given"] else _none(cell)
    small = "small" if max(cell["width"], cell["height"]) <= 64 else None
    alt = f"{cell['name']} of row {row['row']}"
    return element("img", src=cell["src"], alt=alt, width=cell["width"], height=cell["height"], class_=small)


def _none(cell):
    return element("p", f"no {cell['name']}", class_="none")
