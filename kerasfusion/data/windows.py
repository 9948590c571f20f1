"""Windows of a table of sensor readings, as rows with a signal."""

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, listed, nearest, source_of
from kerasfusion.data.labels import read_numbers
from kerasfusion.data.table import read_table
from kerasfusion.data.times import are_numbers, read_times


def sliding_windows(
    source, columns, length, stride=1, *, time=None, max_gap=None, group=None, split=None, name="window"
):
    """Cut a table of sensor readings into windows: one row per window, with a signal for `load(signal=)`.

    A window ends with a reading and holds it and those before it, so that nothing in it is later than the label of
    its row. It never crosses the border of a group or of a split, nor a gap in time. Windows of neighboring readings
    are near-duplicates: split by time or by group, never at random.

    Args:
        source: A table file or a DataFrame, one row per reading, in the order of time unless `time` is given.
        columns: Column or list of columns with numbers, the channels of the signal. An empty cell is a missing
            sample.
        length: int, readings in a window.
        stride: int, readings from one window to the next. Defaults to 1.
        time: Column of times (dates or numbers) to sort the readings by. Defaults to `None`.
        max_gap: Longest time between successive readings of a window: a number, or for dates a `pandas.Timedelta` or
            a string such as `"5min"`. Defaults to `None`, any.
        group: Column whose values tell series apart (a room, a machine). Defaults to `None`, one series.
        split: Column that says train, validation or test. Defaults to `None`.
        name: str, column for the windows. Defaults to `"window"`.

    Returns:
        pandas.DataFrame: the columns of each window's last reading (among them labels, split and group), and `name`
        with float32 arrays `(length, channels)`.

    Raises:
        DataError: A column is missing or holds something else than numbers (or times), or no window is long enough.

    Example:

    ```python
    table = kf.data.sliding_windows("office.csv", ["temperature", "co2"], 60, time="time", max_gap="2min")
    data = kf.data.load(table, signal="window", label="occupied")
    ```
    """
    frame = read_table(source)
    columns = [columns] if isinstance(columns, str) else list(columns)
    _check(frame, [*columns, *(column for column in (time, group, split) if column is not None)], length, stride)
    if name in frame:
        raise DataError(f"{source_of(frame)} has a column {name!r} already; choose another for the windows (name=…).")
    if max_gap is not None and time is None:
        raise DataError("max_gap is the longest time between two readings: name the column of times too (time=…).")
    times = None if time is None else read_times(frame, time)
    series = [frame[column].to_numpy(object) for column in (group, split) if column is not None]
    codes = [pd.factorize(values, use_na_sentinel=False)[0] for values in series]
    # Readings by group, then time. A split may come several times, so that it is its borders that count.
    keys = ([] if times is None else [times]) + (codes[:1] if group is not None else [])
    order = np.lexsort(keys) if keys else np.arange(len(frame))
    starts = np.ones(len(frame), bool)
    starts[1:] = np.any([np.diff(code[order]) != 0 for code in codes], axis=0) if codes else False
    if max_gap is not None:
        starts[1:] |= np.diff(times[order]) > _gap(frame, time, max_gap)
    place_in_run = np.arange(len(frame)) - np.maximum.accumulate(np.where(starts, np.arange(len(frame)), 0))
    ends = np.flatnonzero((place_in_run >= length - 1) & ((place_in_run - length + 1) % stride == 0))
    if not len(ends):
        raise DataError(
            f"{source_of(frame)}: no {length:,} successive readings lie in one series; the longest has "
            f"{place_in_run.max() + 1:,}. Choose a smaller length, or a larger max_gap."
        )
    values = np.stack([read_numbers(frame, column) for column in columns], axis=1).astype("float32")[order]
    found = frame.iloc[order[ends]].reset_index(drop=True)
    found[name] = list(values[ends[:, None] + np.arange(1 - length, 1)])
    found.attrs["source"] = source_of(frame)
    return found


def _check(frame, columns, length, stride):
    for setting, value in {"length": length, "stride": stride}.items():
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise DataError(f"{setting} must be a whole number of readings, at least 1, not {value!r}.")
    for column in columns:
        if column not in frame:
            close = nearest(column, frame.columns) or listed(frame.columns)
            raise DataError(f"{source_of(frame)} has no column {column!r}; did you mean {close}?")
    if not len(frame):
        raise DataError(f"{source_of(frame)} has no rows.")


def _gap(frame, column, gap):
    if are_numbers(frame[column]):
        if isinstance(gap, str) or not np.isreal(gap):
            raise DataError(f"max_gap must be a number, as the times in column {column!r} are, not {gap!r}.")
        return gap
    try:
        return pd.Timedelta(gap).total_seconds()
    except ValueError:
        raise DataError(f"max_gap must be a time such as '5min', not {gap!r}.") from None
