"""Cells that name a file or hold its bytes."""

import base64
import binascii
import functools
import os
from urllib.parse import urlparse
from urllib.request import url2pathname


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
