"""Cells that name a file or hold its bytes."""

import base64
import binascii
import dataclasses
import functools
import os
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np

from kerasfusion.data.skipped_rows import EXAMPLES, SkippedRows


@dataclasses.dataclass(frozen=True, eq=False)
class FileCells:
    """What the cells of a column of signals or videos name, each once.

    Args:
        column: The column's name.
        contents: Of each signal a WAV file's path, its bytes, or float32 `(samples, channels)`; of each video a tuple
            of its frames, paths (str) or encoded bytes, or a file of all frames, its path or bytes.
        index: int32 `(rows,)`, the place in `contents` of each row, -1 where it has none.
        reasons: Place in `contents` -> why it cannot be used.
        rows: int64 `(rows,)`, row numbers from 1 as in the table.
        shown: Of each row what a message shows of its cell.
    """

    column: str
    contents: list
    index: np.ndarray
    reasons: dict
    rows: np.ndarray
    shown: list

    def problems(self):
        """The rows that cannot be used, as `SkippedRows`."""
        found = SkippedRows()
        for reason in dict.fromkeys(self.reasons.values()):
            wanted = [number for number, own in self.reasons.items() if own == reason]
            rows = np.flatnonzero(np.isin(self.index, wanted))
            first = [(int(self.rows[row]), self.column, self.shown[row]) for row in rows[:EXAMPLES]]
            found += SkippedRows({reason: len(rows)}, {reason: first})
        return found

    def unusable(self):
        """Which contents cannot be used: bool `(contents,)`."""
        return np.isin(np.arange(len(self.contents)), list(self.reasons))

    def as_missing(self):
        """The index with -1 where a content cannot be used, and the `SkippedRows` that say so."""
        index, problems = self.index.copy(), self.problems()
        index[(index >= 0) & self.unusable()[index]] = -1
        said = [
            {f"{reason}; taken as missing": value for reason, value in part.items()}
            for part in (problems.counts, problems.examples)
        ]
        return index, SkippedRows(*said)


def unpacked(cell):
    """The path or the bytes of a cell; other cells as they are."""
    if isinstance(cell, dict) and ("bytes" in cell or "path" in cell):
        cell = cell.get("bytes") or cell.get("path")
    return bytes(cell) if isinstance(cell, (bytearray, memoryview)) else cell


def read_cell(cell):
    """`(path or bytes, None)`, or `(None, reason)` if the cell names no file that can be opened."""
    if isinstance(cell, bytes):
        return cell, None
    if cell.startswith("data:"):
        kind, _, payload = cell.partition(",")
        try:
            data = base64.b64decode(payload, validate=True) if kind.endswith(";base64") else b""
        except binascii.Error:
            data = b""
        return (data, None) if data else (None, "broken base64")
    if cell.startswith("file://"):
        try:
            return url2pathname(urlparse(cell).path), None
        except ValueError:
            return None, "a broken file:// address"
    if "://" in cell:
        return None, "a web address, not a file (download it first)"
    # Tables written on Windows.
    return (cell.replace("\\", "/") if os.sep == "/" else cell), None


def inside(folder):
    """Tells whether a file lies below a folder, links followed."""
    # Links are looked up once a folder: tables name many files of few folders.
    real = functools.cache(os.path.realpath)
    below = os.path.join(real(folder), "")

    def is_inside(path):
        path = os.path.join(real(os.path.dirname(path)), os.path.basename(path))
        return (os.path.realpath(path) if os.path.islink(path) else path).startswith(below)

    return is_inside
