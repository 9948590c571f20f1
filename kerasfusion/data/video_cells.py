"""The cells of a video column: lists of frames, folders, animated GIFs and other video files."""

import json
import os
import re
import stat

import numpy as np

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.file_cells import FileCells, inside, read_cell, unpacked
from kerasfusion.data.pixel_bytes import MAGIC
from kerasfusion.data.table import IN_MEMORY, is_missing

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")
_GIF = b"GIF8"
# How still images begin.
_STILLS = (MAGIC, b"\x89PNG", b"\xff\xd8\xff", b"BM")


def clean_videos(frame, column):
    """A video column with lists of frames as tuples, and missing cells as NaN.

    A list is also read from JSON. Its missing frames are left out; a list without any frame is a missing cell.

    Raises:
        DataError: A cell is no video at all, or a list that is no JSON.
    """
    series = frame[column]
    missing = is_missing(series).to_numpy()
    cells = [
        np.nan if gone else _clean(cell, frame, row, column)
        for row, (cell, gone) in enumerate(zip(series.tolist(), missing, strict=True))
    ]
    found = np.empty(len(cells), object)
    found[:] = cells
    return type(series)(found, index=series.index, name=column, dtype=object)


def read_video_cells(frame, column, image_dir=None, allow_external_paths=False):
    """Find the distinct videos of a column and the files of their frames; only beginnings of files are read.

    Args:
        frame: A frame from `clean_rows`.
        column: Its video column. A cell is a list of frames, each as a cell of an image column; a folder of images,
            taken in the order of their names, numbers by value; an animated GIF, an MP4 or another file of a video,
            its path or bytes; a single image; or missing.
        image_dir: Folder that relative paths start from instead of the table's.
        allow_external_paths: Let paths lead out of the folder, as for images.

    Returns:
        `FileCells`.

    Raises:
        DataError: A path leads out of the folder, or every cell is empty.
    """
    missing = frame[column].isna().to_numpy()
    if missing.all():
        raise DataError(f"{source_of(frame)}: every cell of the video column {column!r} is empty.")
    folder = os.path.abspath(image_dir if image_dir is not None else frame.attrs.get("folder", "."))
    if not os.path.isdir(folder):
        raise DataError(f"The folder {folder} does not exist (image_dir=…, --image-dir).")
    is_inside, places, contents, reasons = inside(folder), {}, [], {}
    index, shown = np.full(len(frame), -1, "int32"), [None] * len(frame)

    def path_of(row, given):
        path = os.path.normpath(os.path.join(folder, given))
        trusted = allow_external_paths or (source_of(frame) == IN_MEMORY and os.path.isabs(given))
        if not trusted and not is_inside(path):
            raise DataError(
                f"{place(frame, row, column)}: {short(given)} leads out of the folder {folder}. Move the file, name "
                "the folder that holds the videos (image_dir=…, --image-dir), or allow such paths "
                "(allow_external_paths=True, --allow-external-paths)."
            )
        return path

    for row, cell in enumerate(frame[column].tolist()):
        if missing[row]:
            continue
        shown[row] = _shown(cell)
        found = [read_cell(part) for part in (cell if isinstance(cell, tuple) else (cell,))]
        parts = tuple(path_of(row, part) if isinstance(part, str) else part for part, _ in found)
        key = parts if isinstance(cell, tuple) else parts[0]
        index[row] = places.setdefault(key, len(contents))
        if index[row] < len(contents):
            continue
        reason = next((why for _, why in found if why), None)
        if not isinstance(key, tuple) and reason is None:
            key, reason = _opened(key)
        contents.append(key)
        if reason:
            reasons[int(index[row])] = reason
    return FileCells(column, contents, index, reasons, frame.index.to_numpy("int64") + 1, shown)


def is_gif(content):
    """Whether a file of all frames, its path or bytes, is a GIF."""
    return _beginning(content).startswith(_GIF)


def _clean(cell, frame, row, column):
    if isinstance(cell, str):
        cell = cell.strip()
        if cell.startswith("["):
            try:
                cell = json.loads(cell)
            except (ValueError, RecursionError):
                raise DataError(
                    f"{place(frame, row, column)}: {short(cell)} begins as a list and is no JSON. Write frames as "
                    '["a.png", "b.png"].'
                ) from None
    if isinstance(cell, (list, tuple, np.ndarray)):
        parts = [unpacked(part) for part in cell if not _is_nothing(part)]
        strange = next((part for part in parts if not isinstance(part, (str, bytes))), None)
        if strange is not None:
            raise DataError(
                f"{place(frame, row, column)}: a frame is a path, encoded bytes or {{'bytes': …}}, not "
                f"{type(strange).__name__}."
            )
        return tuple(part.strip() if isinstance(part, str) else part for part in parts) or np.nan
    cell = unpacked(cell)
    if not isinstance(cell, (str, bytes)):
        raise DataError(
            f"{place(frame, row, column)}: a video is a list of frames, or a path or the bytes of a file, not "
            f"{type(cell).__name__}."
        )
    return cell


def _is_nothing(part):
    if isinstance(part, dict):
        return not (part.get("bytes") or part.get("path"))
    return part is None or (isinstance(part, float) and part != part) or (isinstance(part, (str, bytes)) and not part)


def _shown(cell):
    if isinstance(cell, tuple):
        return f"{len(cell):,} frames, {_shown(cell[0])}, …"
    return cell if isinstance(cell, str) else f"{len(cell):,} bytes"


def _opened(key):
    """A folder's or a single image's frames, or the file itself; and a reason why it cannot be used."""
    if isinstance(key, bytes):
        return ((key,) if _is_still(key) else key), None
    try:
        found = os.stat(key)
        if stat.S_ISDIR(found.st_mode):
            names = sorted((n for n in os.listdir(key) if n.lower().endswith(FRAME_SUFFIXES)), key=_by_number)
            if not names:
                return key, f"a folder without images ({', '.join(FRAME_SUFFIXES)})"
            return tuple(os.path.join(key, name) for name in names), None
        if not stat.S_ISREG(found.st_mode):
            return key, "not a file"
        if not found.st_size:
            return key, "empty file (0 bytes)"
        return ((key,) if _is_still(key) else key), None
    except (FileNotFoundError, NotADirectoryError):
        return key, "file does not exist"
    except PermissionError:
        return key, "file may not be read (permission denied)"
    except (OSError, ValueError):
        return key, "file cannot be read"


def _is_still(content):
    start = _beginning(content)
    return start.startswith(_STILLS) or (start.startswith(b"RIFF") and start[8:12] == b"WEBP")


def _beginning(content):
    if isinstance(content, bytes):
        return content[:16]
    with open(content, "rb") as file:
        return file.read(16)


def _by_number(name):
    """Sorts frame_9.png before frame_10.png."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]
