"""What is wrong with a user's table, said so that it can be mended: file, row, column, what to do."""

import difflib

import numpy as np


class DataError(ValueError):
    """A table, a column, a row or a file that cannot be used as given."""


def place(frame, position, column=None):
    """Name one cell the way a person finds it.

    The index of a frame from `read_table` is the row's place in the file, and it survives filtering; so the
    row that is named is the file's, not the filtered frame's.

    Args:
        frame: A frame from `read_table`, filtered or not.
        position: Place of the row in `frame`, from 0.
        column: Column name, or None for the whole row.

    Returns:
        For example `"pets.csv, row 3 (line 4), column 'species'"`. Rows count from 1 below the header; the
        line is left out where rows and lines of the file do not run in step (cells with line breaks).
    """
    row = int(frame.index[position]) + 1
    offset = frame.attrs.get("line_offset")
    line = "" if offset is None else f" (line {row + offset})"
    cell = "" if column is None else f", column {column!r}"
    return f"{source_of(frame)}, row {row}{line}{cell}"


def source_of(frame):
    """The name of the file that a frame was read from."""
    return frame.attrs.get("source", "table")


def short(value):
    """A cell's value for a message, cut at 60 characters; of a path the end is kept, which names the file."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    if len(text) <= 60:
        return text
    is_path = isinstance(value, str) and "/" in value and " " not in value
    return "'…" + text[-58:] if is_path else text[:57] + "…"


def nearest(name, names):
    """Up to three of `names` that look like `name`, nearest first, upper and lower case alike."""
    lower = {str(other).lower(): str(other) for other in names}
    return [lower[match] for match in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.5)]
