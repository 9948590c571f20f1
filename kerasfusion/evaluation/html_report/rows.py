"""One row of a table on a page: its place, and what went in."""

from kerasfusion.evaluation.html_report.features import FEATURES


def place_line(row):
    """The row's number and its images' paths."""
    paths = [cell["path"] for cell in row["inputs"] if cell.get("path")]
    return " · ".join([f"row {row['row']:,}", *paths])


def shown_input(row, cell):
    """One cell that went in, as text or as an image."""
    return FEATURES[cell["kind"]].shown(row, cell)
