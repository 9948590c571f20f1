"""The cells of a signal column: files, bytes, arrays and lists of numbers, and why some cannot be used."""

import io
import json
import os
import re
import stat
import struct

import numpy as np

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.file_cells import FileCells, inside, read_cell, unpacked
from kerasfusion.data.table import IN_MEMORY, is_missing

NUMPY = b"\x93NUMPY"
# How Python and NumPy write numbers that JSON does not know.
_NO_NUMBER = re.compile(r"\b(nan|None|[+-]?inf)\b")
# What people have instead of a WAV file, by how it begins.
_OTHERS = {
    b"ID3": "MP3 files are not supported (convert them: ffmpeg -i a.mp3 a.wav)",
    b"\xff\xfb": "MP3 files are not supported (convert them: ffmpeg -i a.mp3 a.wav)",
    b"fLaC": "FLAC files are not supported (convert them: ffmpeg -i a.flac a.wav)",
    b"OggS": "Ogg files are not supported (convert them: ffmpeg -i a.ogg a.wav)",
    b"RF64": "WAV files over 4 GB (RF64) are not supported",
    b"RIFX": "WAV files with big-endian samples (RIFX) are not supported",
    b"version https://git-lfs": "a Git LFS pointer, not a signal (run git lfs pull)",
}
_NO_WAV = "not a readable WAV file"


def read_signal_cells(frame, column, image_dir=None, allow_external_paths=False):
    """Read the cells of a signal column, and the arrays that they name; WAV files are looked at later.

    Args:
        frame: A frame from `clean_rows`.
        column: Its column. A cell is a path of a `.wav` or `.npy` file, the bytes of one, `{"bytes": …}` or
            `{"path": …}`, a list of numbers or of lists of them (or its JSON), an array `(samples,)` or
            `(samples, channels)`, or missing.
        image_dir: Folder that relative paths start from instead of the table's.
        allow_external_paths: Let paths lead out of the folder, as for images.

    Returns:
        `FileCells`.

    Raises:
        DataError: A path leads out of the folder, or every cell is empty.
    """
    folder = os.path.abspath(image_dir if image_dir is not None else frame.attrs.get("folder", "."))
    is_inside, places, contents, reasons = inside(folder), {}, [], {}
    index, shown = np.full(len(frame), -1, "int32"), [None] * len(frame)
    missing = is_missing(frame[column]).to_numpy()
    if missing.all():
        raise DataError(f"{source_of(frame)}: every cell of the signal column {column!r} is empty.")
    for row, cell in enumerate(frame[column].tolist()):
        if missing[row]:
            continue
        cell = unpacked(cell)
        shown[row] = short(cell) if isinstance(cell, str) else type(cell).__name__
        content, reason = _content(cell)
        if isinstance(content, str):
            path = os.path.normpath(os.path.join(folder, content))
            trusted = allow_external_paths or (source_of(frame) == IN_MEMORY and os.path.isabs(content))
            if not trusted and not is_inside(path):
                raise DataError(
                    f"{place(frame, row, column)}: {short(content)} leads out of the folder {folder}. Move the file, "
                    "name the folder that holds the signals (image_dir=…, --image-dir), or allow such paths "
                    "(allow_external_paths=True, --allow-external-paths)."
                )
            index[row] = places.setdefault(path, len(contents))
            if index[row] < len(contents):
                continue
            content, reason = _opened(path)
        else:
            index[row] = len(contents)
        contents.append(b"" if reason else content)
        if reason:
            reasons[int(index[row])] = reason
    return FileCells(column, contents, index, reasons, frame.index.to_numpy("int64") + 1, shown)


def why_no_wav(content):
    """Why a WAV file cannot be read, for people.

    Args:
        content: Its path or its bytes.

    Returns:
        str
    """
    if isinstance(content, bytes):
        data, size = content[:4096], len(content)
    else:
        with open(content, "rb") as file:
            data, size = file.read(4096), os.fstat(file.fileno()).st_size
    other = next((reason for start, reason in _OTHERS.items() if data.startswith(start)), None)
    if other or not (data[:4] == b"RIFF" and data[8:12] == b"WAVE"):
        return other or _NO_WAV
    place, layout = 12, None
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        if name == b"data":
            return "a WAV file that is cut off" if layout and place + 8 + length > size else _NO_WAV
        if name == b"fmt " and length >= 16 and place + 24 <= len(data):
            layout = struct.unpack_from("<HHIIHH", data, place + 8)
            if layout[0] not in (1, 3, 0xFFFE):
                return f"a WAV file of compressed samples (format {layout[0]}; save it as PCM)"
        place += 8 + length + length % 2
    return _NO_WAV


def _content(cell):
    """`(path, bytes or float32 (samples, channels), None)`, or `(None, reason)`."""
    if isinstance(cell, str) and cell.startswith("["):
        try:
            cell = json.loads(_NO_NUMBER.sub(lambda found: "null", cell))
        except (ValueError, RecursionError):
            return None, "a list that is no JSON"
    if isinstance(cell, str):
        return read_cell(cell)
    if isinstance(cell, bytes):
        return _array_of(io.BytesIO(cell)) if cell.startswith(NUMPY) else (cell, None)
    if isinstance(cell, (list, tuple, np.ndarray)):
        return _as_signal(cell)
    return None, f"a cell of type {type(cell).__name__} (a path, bytes, a list of numbers or an array is a signal)"


def _opened(path):
    """What a file holds, as `_content`; of a WAV file its path."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            return None, "a folder, not a file" if stat.S_ISDIR(found.st_mode) else "not a file"
        if not found.st_size:
            return None, "empty file (0 bytes)"
        with open(path, "rb") as file:
            if file.read(len(NUMPY)) != NUMPY:
                return path, None
        with open(path, "rb") as file:
            return _array_of(file)
    except (FileNotFoundError, NotADirectoryError):
        return None, "file does not exist"
    except PermissionError:
        return None, "file may not be read (permission denied)"
    except (OSError, ValueError):
        return None, "file cannot be read"


def _array_of(file):
    try:
        return _as_signal(np.load(file, allow_pickle=False))
    except Exception:  # NumPy's reader lets through whatever error a broken header leads it to
        return None, "not a readable .npy file of numbers"


def _as_signal(cell):
    """float32 `(samples, channels)` of numbers or lists of them; None in a list is a missing sample."""
    try:
        found = np.asarray(cell)
        if found.dtype == object:
            found = np.asarray(found.tolist(), "float64")
        if found.dtype.kind not in "biuf":
            return None, "a list that holds something else than numbers"
    except (TypeError, ValueError, OverflowError):
        return None, "a list that holds something else than numbers, or rows of different lengths"
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        return None, f"{found.ndim} dimensions instead of (samples,) or (samples, channels)"
    if not found.size:
        return None, "a signal without a sample"
    with np.errstate(over="ignore", invalid="ignore"):
        return found.astype("float32"), None
