"""Labels that are a mark for each segment of a video: whether it belongs to the summary."""

import numpy as np

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.labels import is_list, written_list
from kerasfusion.data.table import is_missing
from kerasfusion.data.tasks.multilabel import Multilabel


class Segments(Multilabel):
    """float32 `(n, T)` of zeros and ones, NaN where the label is missing; the classes are the segments' numbers."""

    def encode(self, frame, column, classes=None):
        series = frame[column]
        missing = is_missing(series).to_numpy()
        known = [_marks(frame, column, row) for row in np.flatnonzero(~missing)]
        length = len(known[0]) if classes is None and known else len(classes or ())
        for row, marks in zip(np.flatnonzero(~missing), known, strict=True):
            if len(marks) != length:
                raise DataError(
                    f"{place(frame, row, column)}: {len(marks):,} marks, where {length:,} are expected. Every row "
                    "needs one mark for each segment, and all videos are divided into as many equal segments."
                )
        values = np.full((len(series), length), np.nan, "float32")
        values[~missing] = np.array(known, "float32").reshape(-1, length)
        if classes is None and not np.any(np.ptp(values[~missing], axis=0) if known else []):
            raise DataError(
                f"{source_of(frame)}: every row of column {column!r} has the same marks: nothing to learn."
            )
        return values, tuple(map(str, range(length)))


def _marks(frame, column, row):
    cell = frame[column].iloc[row]
    marks = written_list(cell.strip()) if isinstance(cell, str) else cell
    if is_list(marks) and len(marks) and all(_is_mark(mark) for mark in marks):
        return [float(mark) for mark in marks]
    raise DataError(
        f"{place(frame, row, column)}: {short(cell)} holds no segments. They are a list with 1 for each segment of "
        "the video that belongs to the summary and 0 for the others, such as [0, 0, 1, 1, 0]."
    )


def _is_mark(mark):
    return isinstance(mark, (int, float, np.number, np.bool_)) and mark in (0, 1)
