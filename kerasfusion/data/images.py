"""The picture column of a table: which distinct pictures there are, and whether they can be read."""

import base64
import binascii
import dataclasses
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pandas as pd
from PIL import Image

from kerasfusion.data.clean import EXAMPLES, Skipped
from kerasfusion.data.errors import DataError, place, source_of
from kerasfusion.data.table import is_missing

MOST_PIXELS = 100_000_000
# What TensorFlow decodes, under Pillow's names; MPO is a JPEG with further pictures behind it, as phones
# write it.
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "WEBP")


@dataclasses.dataclass(frozen=True, eq=False)
class ImageCheck:
    """What the headers of the pictures say.

    Args:
        problems: The rows whose picture cannot be used, by reason.
        bad: Bool (number of pictures,), True where a picture was looked at and cannot be used.
        sizes: Int32 (number of pictures, 2), height and width in pixels; 0 where bad or not looked at.
    """

    problems: Skipped
    bad: np.ndarray
    sizes: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSources:
    """The distinct pictures of a column.

    Args:
        column: The column's name.
        keys: Each picture once: an absolute path, or encoded bytes.
        row_index: Int32 (number of rows,), the place in `keys` of each row's picture, -1 where it has none.
        rows: Int64 (number of rows,), row numbers from 1 as in the table.
        unusable: Rows whose cell names no picture (a web address, broken base64); their `row_index` is -1.
        unusable_rows: Bool (number of rows,), True for these.
    """

    column: str
    keys: list[str | bytes]
    row_index: np.ndarray
    rows: np.ndarray
    unusable: Skipped
    unusable_rows: np.ndarray

    def check(self, sample=None):
        """Read the pictures' headers (not their pixels), several at a time.

        Args:
            sample: Look at this many pictures, evenly spread. None: at all.

        Returns:
            An `ImageCheck`; its `problems` include `unusable`. A picture that is cut off behind its header
            passes.
        """
        count = len(self.keys)
        chosen = np.arange(count)
        if sample is not None and sample < count:
            chosen = np.linspace(0, count - 1, sample).astype(int)
        with warnings.catch_warnings():
            # Pillow warns about large pictures and odd metadata; what matters of it is in `_read_header`'s
            # answer.
            warnings.simplefilter("ignore")
            with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
                answers = list(pool.map(_read_header, (self.keys[i] for i in chosen)))
        bad, sizes, reasons = np.zeros(count, bool), np.zeros((count, 2), "int32"), {}
        for i, answer in zip(chosen, answers, strict=True):
            if isinstance(answer, str):
                bad[i] = True
                reasons.setdefault(answer, []).append(i)
            else:
                sizes[i] = answer
        problems = _problems(
            reasons, self.row_index, self.rows, self.column, lambda picture: _shown(self.keys[picture])
        )
        return ImageCheck(self.unusable + problems, bad, sizes)


def resolve_images(frame, column, image_dir=None, allow_outside=False):
    """Find the distinct pictures of a column.

    Args:
        frame: A frame from `clean_rows`.
        column: Its picture column. Cells are paths (relative ones start from the table's folder), `file://`
            addresses, encoded bytes, `{"bytes": …}` or `{"path": …}`, `data:image/png;base64,…`, or missing.
        image_dir: Folder that relative paths start from instead.
        allow_outside: Let relative paths lead out of the folder (`../x.png`).

    Returns:
        `ImageSources`.

    Raises:
        DataError: Not one of the pictures exists, a path leads out of the folder, or a cell is no picture at
            all.

    Example:
    ```python
    pictures = resolve_images(frame, "photo", image_dir="photos")
    pictures.keys[pictures.row_index[0]]  # "/home/me/photos/cat.png"
    print(pictures.check().problems)
    ```
    """
    folder = os.path.abspath(image_dir if image_dir is not None else frame.attrs.get("folder", "."))
    if not os.path.isdir(folder):
        raise DataError(f"The image folder {folder} does not exist (image_dir=…, --image-dir).")
    cells = _contents(frame, column)
    codes, uniques = pd.factorize(cells)
    keys, picture_of, unusable = {}, np.full(len(uniques) + 1, -1, "int32"), {}
    for code, cell in enumerate(uniques):
        key, reason = _read_cell(cell)
        if reason:
            unusable.setdefault(reason, []).append(code)
            continue
        if isinstance(key, str) and not os.path.isabs(key):
            relative, key = key, os.path.normpath(os.path.join(folder, key))
            if not allow_outside and not key.startswith(os.path.join(folder, "")):
                raise DataError(
                    f"{place(frame, np.argmax(codes == code), column)}: {relative!r} leads out of the image "
                    f"folder {folder}. Move the file, set the folder (image_dir=…, --image-dir), or pass "
                    "allow_outside=True."
                )
        # Two ways to write one path are one picture.
        picture_of[code] = keys.setdefault(key, len(keys))
    rows = frame.index.to_numpy("int64") + 1
    problems = _problems(unusable, codes, rows, column, lambda code: _shown(uniques[code]))
    row_index = picture_of[codes]
    sources = ImageSources(column, list(keys), row_index, rows, problems, (row_index < 0) & (codes >= 0))
    if (codes < 0).all():
        raise DataError(f"{source_of(frame)}: every cell of the picture column {column!r} is empty.")
    # Stops at the first that exists.
    if not any(isinstance(key, bytes) or os.path.isfile(key) for key in keys):
        example = f"; the first would be {sources.keys[0]}" if keys else ""
        raise DataError(
            f"{source_of(frame)}: not one picture of column {column!r} exists. Searched "
            f"{folder}{example}. Say where the pictures are (image_dir=…, --image-dir)."
            + (f"\n{problems}" if problems else "")
        )
    return sources


def _contents(frame, column):
    """The column's cells as paths or bytes, NaN where there is none."""
    series = frame[column]
    cells = series.mask(is_missing(series))
    if isinstance(cells.dtype, pd.StringDtype):
        return cells
    cells = cells.astype(object).map(_unpacked, na_action="ignore")
    strange = ~cells.map(lambda v: isinstance(v, (str, bytes))).to_numpy(bool) & cells.notna().to_numpy()
    if strange.any():
        position = np.argmax(strange)
        raise DataError(
            f"{place(frame, position, column)}: a picture is a path, encoded bytes or {{'bytes': …}}, not "
            f"{type(cells.iloc[position]).__name__}."
        )
    return cells


def _unpacked(cell):
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    return bytes(cell) if isinstance(cell, (bytearray, memoryview)) else cell


def _read_cell(cell):
    """`(path or bytes, None)`, or `(None, reason)` if the cell names no picture that can be opened."""
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
        return url2pathname(urlparse(cell).path), None
    if "://" in cell:
        return None, "a web address, not a file (download it first)"
    # Tables written on Windows.
    return (cell.replace("\\", "/") if os.sep == "/" else cell), None


def _read_header(key):
    """`(height, width)`, or the reason why the picture cannot be used."""
    try:
        if isinstance(key, str) and os.path.getsize(key) == 0:
            return "empty file (0 bytes)"
        with Image.open(io.BytesIO(key) if isinstance(key, bytes) else key) as image:
            width, height = image.size
            kind = image.format
    except FileNotFoundError:
        return "file does not exist"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"over {MOST_PIXELS // 10**6} megapixels"
    except Exception:  # Pillow's plugins let through whatever error a broken header leads them to
        return "not a readable picture"
    if kind not in FORMATS:
        return f"{kind} pictures are not supported (save as PNG or JPEG)"
    if width * height > MOST_PIXELS:
        return f"over {MOST_PIXELS // 10**6} megapixels"
    return height, width


def _problems(reasons, ids, rows, column, shown):
    """`Skipped` out of reason -> ids, for a table whose rows refer to these ids."""
    problems = Skipped()
    for reason, wanted in reasons.items():
        positions = np.flatnonzero(np.isin(ids, wanted))
        first = [(int(rows[p]), column, shown(ids[p])) for p in positions[:EXAMPLES]]
        problems += Skipped({reason: len(positions)}, {reason: first})
    return problems


def _shown(content):
    return content if isinstance(content, str) else f"{len(content):,} bytes"
