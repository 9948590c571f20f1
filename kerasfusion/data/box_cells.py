"""Cells that hold the boxes of a row: read, checked, and laid out as arrays."""

import dataclasses
import json

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, place, short
from kerasfusion.data.labels import is_list, value_name, written_list
from kerasfusion.data.table import is_missing, stripped

_KEYS = {"box", "label", "score"}
_FORM = "a box is [left, top, right, bottom], or {'box': [...], 'label': ..., 'score': ...}"


@dataclasses.dataclass(frozen=True, eq=False)
class BoxTable:
    """All boxes of a column, one after the other.

    Args:
        rows: int64 `(boxes,)`, the place of each box's row in the column.
        corners: float64 `(boxes, 4)`: left, top, right and bottom as the table has them.
        labels: `(boxes,)`, categories; None for none.
        scores: float64 `(boxes,)`; NaN for none.
    """

    rows: np.ndarray
    corners: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    @property
    def sound(self):
        """Which boxes have four finite numbers and sides above 0: bool `(boxes,)`."""
        # Infinite corners have no difference.
        with np.errstate(invalid="ignore"):
            positive = (self.corners[:, 2:] > self.corners[:, :2]).all(axis=1)
        return positive & np.isfinite(self.corners).all(axis=1)


def clean_boxes(frame, column):
    """Write the boxes of a column in one form, JSON of a list of dicts; NaN where a row has none.

    Args:
        frame: A frame from `read_table`.
        column: A column of lists, arrays, or text that holds a list as JSON or Python writes it.

    Returns:
        pandas.Series of str and NaN.

    Raises:
        DataError: A cell that holds no boxes; the message names its row.
    """
    cells = stripped(frame[column])
    missing = is_missing(cells).to_numpy()
    found = []
    for position, cell in enumerate(cells):
        boxes = None if missing[position] else _boxes_of(cell)
        if isinstance(boxes, str):
            raise DataError(f"{place(frame, position, column)}: {boxes} ({short(cell)}); {_FORM}.")
        found.append(json.dumps(boxes, ensure_ascii=False) if boxes else np.nan)
    return pd.Series(found, index=cells.index, dtype=object)


def read_boxes(series):
    """Lay out a column that `clean_boxes` gave as a `BoxTable`."""
    rows, boxes = [], []
    for position, cell in enumerate(series):
        if isinstance(cell, str):
            own = json.loads(cell)
            rows += [position] * len(own)
            boxes += own
    corners = np.array([box["box"] for box in boxes], "float64").reshape(-1, 4)
    labels = np.array([box.get("label") for box in boxes], object)
    scores = np.array([box.get("score", np.nan) for box in boxes], "float64")
    return BoxTable(np.array(rows, "int64"), corners, labels, scores)


def _boxes_of(cell):
    """List of dicts with `box`, `label` and `score`, the latter two where there are; or what is wrong, in words."""
    if isinstance(cell, str):
        text, cell = cell, written_list(f"[{cell}]" if cell.startswith("{") else cell)
        if cell is None:
            return "no list" if not text.startswith("[") else "a list that is neither JSON nor Python"
    if isinstance(cell, dict):
        cell = [cell]
    if not is_list(cell):
        return f"a {type(cell).__name__} is no list of boxes"
    cell = list(cell)
    if len(cell) == 4 and not any(is_list(item) or isinstance(item, (dict, str)) for item in cell):
        cell = [cell]
    boxes = []
    for item in cell:
        box = _box_of(item)
        if isinstance(box, str):
            return box
        boxes.append(box)
    return boxes


def _box_of(item):
    item = item if isinstance(item, dict) else {"box": item}
    if "box" not in item or set(item) - _KEYS:
        return f"a box with the keys {sorted(map(str, item))[:6]}"
    if not is_list(item["box"]) or len(item["box"]) != 4:
        return "a box that is not four numbers"
    corners = [_number(value) for value in item["box"]]
    score = _number(item.get("score"))
    if None in corners or score is None:
        return "a box or a score that is not of numbers"
    box = {"box": corners}
    label = item.get("label")
    if label is not None and label == label and value_name(label):
        box["label"] = value_name(label)
    if score == score:
        box["score"] = score
    return box


def _number(value):
    """A float, NaN for a missing one, None for what is no number."""
    if value is None:
        return float("nan")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return None
    try:
        return float(value)
    except (OverflowError, TypeError):
        return float("inf")
