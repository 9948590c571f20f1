"""Labels that are one box in the image of their row."""

import numpy as np

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.labels import is_list, written_list
from kerasfusion.data.summaries import histogram, value_range
from kerasfusion.data.table import is_missing
from kerasfusion.data.tasks.base import LabelType, labelled

_FORM = "A box is left, top, right, bottom as fractions of the image, such as 0.1,0.25,0.4,0.5"
# Annotation tools round: a hundredth of the image beyond its border is clipped.
_SLIP = 0.01


class Box(LabelType):
    """float32 `(n, 4)`: left, top, right and bottom as fractions of the image; NaN where the label is missing."""

    default_name = "box"

    def encode(self, frame, column, classes=None):
        missing = is_missing(frame[column]).to_numpy()
        boxes = np.full((len(frame), 4), np.nan)
        for position in np.flatnonzero(~missing):
            cell = frame[column].iloc[position]
            box = _corners(cell)
            if box is None:
                raise DataError(f"{place(frame, position, column)}: {short(cell)} is not four numbers. {_FORM}.")
            boxes[position] = box
        _refuse(frame, column, boxes, missing)
        return np.clip(boxes, 0, 1).astype("float32"), ()

    def strata(self, values):
        areas = _areas(values)
        return np.searchsorted(np.quantile(areas, np.linspace(0, 1, 11)[1:-1]), areas)

    def profile(self, task, splits):
        areas = {name: _areas(boxes) for name, boxes in labelled(task, splits).items()}
        return {"range": {name: value_range(values) for name, values in areas.items()}, **histogram(areas)}


def _corners(cell):
    """Four floats; None where the cell is nothing of that kind."""
    if isinstance(cell, str):
        cell = written_list(cell if cell.startswith("[") else f"[{cell.strip('()')}]")
    if not is_list(cell) or len(cell) != 4:
        return None
    try:
        return [float(value) for value in cell]
    except (TypeError, ValueError):
        return None


def _refuse(frame, column, boxes, missing):
    """Raise for boxes that are no part of the image; the message names the first row."""
    outside = ~missing & ((boxes < -_SLIP) | (boxes > 1 + _SLIP) | ~np.isfinite(boxes)).any(axis=1)
    flat = ~missing & ~outside & (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    for wrong, what in (
        (outside, f"reaches outside the image. {_FORM}; of pixels, divide by the image's width and height"),
        (flat, f"has a right or bottom edge that is not behind the left or top one. {_FORM}; of left, top, width, "
               "height, as COCO has them, add left and top to the last two"),
    ):  # fmt: skip
        if wrong.any():
            position = int(np.argmax(wrong))
            found = ",".join(f"{value:g}" for value in boxes[position])
            raise DataError(
                f"{place(frame, position, column)}: the box {found} {what} ({wrong.sum():,} such row(s)). Mend these "
                "rows, or leave their cells empty."
            )
    if missing.all():
        raise DataError(f"{source_of(frame)}: column {column!r} has no box: nothing to learn.")


def _areas(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).astype("float64")
