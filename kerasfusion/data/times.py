"""Columns of times: numbers, or dates as pandas reads them."""

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, place, short
from kerasfusion.data.table import is_missing


def are_numbers(values):
    """Whether the times of a column are numbers, some of its cells at least, and no dates."""
    return bool(pd.to_numeric(values, errors="coerce").notna().any())


def read_times(frame, column):
    """Read a column of times.

    Args:
        frame: A frame from `read_table`.
        column: The column: numbers, or dates such as `2026-02-04 17:51`.

    Returns:
        float64 `(n,)`: the numbers, or the seconds of the dates since 1970.

    Raises:
        DataError: A cell is empty or no time.
    """
    values = frame[column]
    if are_numbers(values):
        found = pd.to_numeric(values, errors="coerce").to_numpy("float64", na_value=np.nan)
    else:
        dates = pd.to_datetime(values, errors="coerce", format="mixed", utc=True)
        found = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()
    wrong = np.isnan(found)
    if wrong.any():
        row = int(wrong.argmax())
        empty = bool(is_missing(values).to_numpy()[row])
        cell = "is empty" if empty else f"{short(values.iloc[row])} is neither a number nor a date"
        raise DataError(
            f"{place(frame, row, column)}: the time {cell} ({wrong.sum():,} such rows). Write a number or a date "
            "such as 2026-02-04 17:51, or delete the row."
        )
    return found
