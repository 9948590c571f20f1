"""What is wrong with a user's table, said so that it can be mended: file, row, column, what to do."""

import difflib
import reprlib

import numpy as np

# A message names so many things of a list.
MOST_LISTED = 20


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
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str) and len(value) > 60 and "/" in value and " " not in value:
        return "'…" + repr(value[-60:])[-58:]
    text = " ".join(_Shown().repr(value[:60] if isinstance(value, (str, bytes)) else value).split("\n"))
    return text if len(text) <= 60 else text[:57] + "…"


class _Shown(reprlib.Repr):
    """`repr` of any object: of one nested deeply its outside, of one without a `repr` its type."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxlong, self.maxstring, self.maxother = 8, 80, 80, 80

    def repr_int(self, value, level):
        # Python refuses to write an integer of thousands of digits.
        return repr(value) if value.bit_length() < 1000 else f"<an integer of {value.bit_length():,} bits>"


def listed(names, most=MOST_LISTED):
    """Names for a message: the first of them, and how many there are."""
    names = list(names)
    return f"{names[:most]}" if len(names) <= most else f"{str(names[:most])[:-1]}, … ({len(names):,} in all)]"


def nearest(name, names):
    """Up to three of `names` that look like `name`, nearest first, upper and lower case alike."""
    lower = {str(other).lower(): str(other) for other in names}
    return [lower[match] for match in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.5)]
