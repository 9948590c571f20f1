"""The image column of a table: which distinct images there are, and whether they can be read."""

import dataclasses
import hashlib
import io
import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from PIL import Image

from kerasfusion.bounds import MOST_PIXELS
from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.file_cells import inside, read_cell, unpacked
from kerasfusion.data.pixel_bytes import packed_shape
from kerasfusion.data.skipped_rows import EXAMPLES, SkippedRows
from kerasfusion.data.table import IN_MEMORY, is_missing

# What TensorFlow decodes, under Pillow's names; MPO is a JPEG with further images behind it, as phones
# write it.
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "WEBP")
# Bytes of a file that are hashed at a time.
_PART = 1024**2
# EXIF's tag, and its values for images that are stored lying on their side.
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
# What people have instead of an image, by what it holds within its first bytes.
NO_IMAGES = {
    b"<svg": "SVG images are not supported (save as PNG or JPEG)",
    b"<!doctype html": "a web page, not an image (its download failed)",
    b"<html": "a web page, not an image (its download failed)",
    b"git-lfs.github.com/spec": "a Git LFS pointer, not an image (run git lfs pull)",
    b"%pdf": "a PDF, not an image (save as PNG or JPEG)",
    b"ftypheic": "HEIC images are not supported (save as PNG or JPEG)",
    b"ftypheix": "HEIC images are not supported (save as PNG or JPEG)",
    b"ftypmif1": "HEIC images are not supported (save as PNG or JPEG)",
    b"ftypavif": "AVIF images are not supported (save as PNG or JPEG)",
}


@dataclasses.dataclass(frozen=True, eq=False)
class ImageCheck:
    """What the headers of the images say.

    Args:
        problems: The rows whose image cannot be used, by reason.
        bad: Bool (number of images,), True where an image was looked at and cannot be used.
        sizes: Int32 (number of images, 2), height and width in pixels; 0 where bad or not looked at.
    """

    problems: SkippedRows
    bad: np.ndarray
    sizes: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSources:
    """The distinct images of a column. Files of equal bytes are one image, whatever their names.

    Args:
        column: The column's name.
        keys: Each image once: an absolute path, or encoded bytes.
        row_index: Int32 (number of rows,), the place in `keys` of each row's image, -1 where it has none.
        names: What the cells name, each once: `keys`, and the paths of further copies of the same images.
        row_names: Int32 (number of rows,), the place in `names` of each row's own, -1 where it has none.
        rows: Int64 (number of rows,), row numbers from 1 as in the table.
        unusable: Rows whose cell names no image (a web address, broken base64); their `row_index` is -1.
        unusable_rows: Bool (number of rows,), True for these.
    """

    column: str
    keys: list[str | bytes]
    row_index: np.ndarray
    names: list[str | bytes]
    row_names: np.ndarray
    rows: np.ndarray
    unusable: SkippedRows
    unusable_rows: np.ndarray

    def check(self, sample=None):
        """Read the images' headers (not their pixels), several at a time.

        Args:
            sample: Look at this many images, evenly spread. None: at all.

        Returns:
            An `ImageCheck`; its `problems` include `unusable`. An image that is cut off behind its header
            passes.
        """
        count = len(self.keys)
        chosen = np.arange(count)
        if sample is not None and sample < count:
            chosen = np.linspace(0, count - 1, sample).astype(int)
        with warnings.catch_warnings():
            # Pillow warns about large images and odd metadata; what matters of it is in `read_header`'s
            # answer.
            warnings.simplefilter("ignore")
            with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
                answers = list(pool.map(read_header, (self.keys[i] for i in chosen)))
        bad, sizes, reasons = np.zeros(count, bool), np.zeros((count, 2), "int32"), {}
        for i, answer in zip(chosen, answers, strict=True):
            if isinstance(answer, str):
                bad[i] = True
                reasons.setdefault(answer, []).append(i)
            else:
                sizes[i] = answer
        return ImageCheck(self.unusable + self.problems(reasons), bad, sizes)

    def problems(self, reasons):
        """Name the rows of some images.

        Args:
            reasons: dict reason -> places in `keys`.

        Returns:
            `SkippedRows`.
        """
        return _problems(
            reasons, self.row_index, self.rows, self.column, lambda row: _shown(self.names[self.row_names[row]])
        )

    def decodable(self, check):
        """The keys, emptied where a check found the image bad: what is no file must not be read for its pixels."""
        return [b"" if bad else key for key, bad in zip(self.keys, check.bad, strict=True)]


def resolve_images(frame, column, image_dir=None, allow_external_paths=False):
    """Find the distinct images of a column.

    Args:
        frame: A frame from `clean_rows`.
        column: Its image column. Cells are paths (relative ones start from the table's folder), `file://`
            addresses, encoded bytes, `{"bytes": …}` or `{"path": …}`, `data:image/png;base64,…`, or missing.
        image_dir: Folder that relative paths start from instead.
        allow_external_paths: Let paths lead out of the folder: `../x.png`, absolute ones, links. In a `DataFrame`,
            whose absolute paths the program itself has made, only relative ones are held to the folder.

    Returns:
        `ImageSources`.

    Raises:
        DataError: Not one of the images exists, a path leads out of the folder, or a cell is no image at
            all.

    Example:
    ```python
    images = resolve_images(frame, "photo", image_dir="photos")
    images.keys[images.row_index[0]]  # "/home/me/photos/cat.png"
    print(images.check().problems)
    ```
    """
    folder = os.path.abspath(image_dir if image_dir is not None else frame.attrs.get("folder", "."))
    if not os.path.isdir(folder):
        raise DataError(f"The image folder {folder} does not exist (image_dir=…, --image-dir).")
    cells = _contents(frame, column)
    codes, uniques = pd.factorize(cells)
    is_inside = inside(folder)
    keys, image_of, unusable = {}, np.full(len(uniques) + 1, -1, "int32"), {}
    for code, cell in enumerate(uniques):
        key, reason = read_cell(cell)
        if reason:
            unusable.setdefault(reason, []).append(code)
            continue
        if isinstance(key, str):
            given, key = key, os.path.normpath(os.path.join(folder, key))
            trusted = allow_external_paths or (source_of(frame) == IN_MEMORY and os.path.isabs(given))
            if not trusted and not is_inside(key):
                raise DataError(
                    f"{place(frame, np.argmax(codes == code), column)}: {short(given)} leads out of the image folder "
                    f"{folder}. Move the file, name the folder that holds the images (image_dir=…, --image-dir), "
                    "or allow such paths (allow_external_paths=True, --allow-external-paths)."
                )
        # Two ways to write one path are one image.
        image_of[code] = keys.setdefault(key, len(keys))
    rows = frame.index.to_numpy("int64") + 1
    problems = _problems(unusable, codes, rows, column, lambda row: _shown(uniques[codes[row]]))
    names, row_names = list(keys), image_of[codes]
    first, image_of = same_bytes(names)
    row_index = np.append(image_of, np.int32(-1))[row_names]
    keys = [names[i] for i in first]
    unusable_rows = (row_names < 0) & (codes >= 0)
    sources = ImageSources(column, keys, row_index, names, row_names, rows, problems, unusable_rows)
    if (codes < 0).all():
        raise DataError(f"{source_of(frame)}: every cell of the image column {column!r} is empty.")
    # Stops at the first that exists.
    if not any(isinstance(key, bytes) or os.path.isfile(key) for key in keys):
        example = f"; the first would be {sources.keys[0]}" if keys else ""
        raise DataError(
            f"{source_of(frame)}: not one image of column {column!r} exists. Searched "
            f"{folder}{example}. Say where the images are (image_dir=…, --image-dir)."
            + (f"\n{problems}" if problems else "")
        )
    return sources


def same_bytes(names):
    """The places of the distinct images, and int32 per name the number of its image. Only equal sizes are
    compared.
    """
    sizes = pd.Series([_size(name) for name in names], dtype="int64")
    identity = np.arange(len(names)).astype(object)
    for i in np.flatnonzero(sizes.duplicated(keep=False) & (sizes > 0)):
        identity[i] = _digest(names[i]) or i
    image_of, distinct = pd.factorize(identity)
    first = np.full(len(distinct), len(names))
    np.minimum.at(first, image_of, np.arange(len(names)))
    return first, image_of.astype("int32")


def _size(name):
    """In bytes; 0 where there is no file."""
    if isinstance(name, bytes):
        return len(name)
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _digest(name):
    """A hash of the bytes; None where the file cannot be read."""
    if isinstance(name, bytes):
        return hashlib.blake2b(name).digest()
    found = hashlib.blake2b()
    try:
        # Unbuffered: most images are one part.
        with open(name, "rb", buffering=0) as file:
            while part := file.read(_PART):
                found.update(part)
    except OSError:
        return None
    return found.digest()


def _contents(frame, column):
    """The column's cells as paths or bytes, NaN where there is none."""
    series = frame[column]
    cells = series.mask(is_missing(series))
    if isinstance(cells.dtype, pd.StringDtype):
        return cells
    cells = cells.astype(object).map(unpacked, na_action="ignore")
    strange = ~cells.map(lambda v: isinstance(v, (str, bytes))).to_numpy(bool) & cells.notna().to_numpy()
    if strange.any():
        position = np.argmax(strange)
        raise DataError(
            f"{place(frame, position, column)}: an image is a path, encoded bytes or {{'bytes': …}}, not "
            f"{type(cells.iloc[position]).__name__}."
        )
    return cells


def read_shown_sizes(keys):
    """Read the sizes of images from their headers, turned as their EXIF orientation says.

    Args:
        keys: Paths, encoded bytes or packed pixels, as in `ImageSources`.

    Returns:
        int32 `(number of images, 2)`, height and width; 0 where an image cannot be read.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
        warnings.simplefilter("ignore")
        return np.array(list(pool.map(_shown_size, keys)), "int32").reshape(-1, 2)


def _shown_size(key):
    found = read_header(key)
    if isinstance(found, str):
        return 0, 0
    if isinstance(key, bytes) and packed_shape(key):
        return found
    with Image.open(io.BytesIO(key) if isinstance(key, bytes) else key) as image:
        return found[::-1] if image.getexif().get(_ORIENTATION) in _TURNED else found


def read_header(key):
    """`(height, width)` of an image, a file's path (str) or its bytes; or the reason why it cannot be used."""
    if isinstance(key, bytes) and (shape := packed_shape(key)):
        return shape[:2] if shape[0] * shape[1] <= MOST_PIXELS else f"over {MOST_PIXELS // 10**6} megapixels"
    try:
        if isinstance(key, str):
            found = os.stat(key)
            if not stat.S_ISREG(found.st_mode):
                return "a folder, not a file" if stat.S_ISDIR(found.st_mode) else "not a file"
            if not found.st_size:
                return "empty file (0 bytes)"
        with Image.open(io.BytesIO(key) if isinstance(key, bytes) else key) as image:
            width, height = image.size
            refused = _refusal(image)
    except (FileNotFoundError, NotADirectoryError):
        return "file does not exist"
    except PermissionError:
        return "file may not be read (permission denied)"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"over {MOST_PIXELS // 10**6} megapixels"
    except Exception:  # Pillow's plugins let through whatever error a broken header leads them to
        return _no_image(key)
    if width * height > MOST_PIXELS:
        return f"over {MOST_PIXELS // 10**6} megapixels"
    return refused or (height, width)


def _refusal(image):
    """Why TensorFlow cannot decode what Pillow can, None if it can."""
    if image.format not in FORMATS:
        return f"{image.format} images are not supported (save as PNG or JPEG)"
    if image.format == "WEBP" and image.is_animated:
        return "animated WebP images are not supported (save one frame as PNG or JPEG)"
    if image.format == "BMP" and (image.tile[0][0] != "raw" or image.tile[0][3][0] in ("1", "P;1", "P;2", "P;4")):
        return "BMP images of fewer than 8 bits or with run lengths are not supported (save as PNG)"
    return None


def _no_image(key):
    """What a file or bytes that are no image may be instead."""
    try:
        if isinstance(key, bytes):
            beginning = key[:1000]
        else:
            with open(key, "rb") as file:
                beginning = file.read(1000)
    except (OSError, ValueError):
        beginning = b""
    beginning = beginning.lower()
    return next((reason for sign, reason in NO_IMAGES.items() if sign in beginning), "not a readable image")


def _problems(reasons, ids, rows, column, shown):
    """`SkippedRows` out of reason -> ids, for a table whose rows refer to these ids."""
    problems = SkippedRows()
    for reason, wanted in reasons.items():
        positions = np.flatnonzero(np.isin(ids, wanted))
        first = [(int(rows[p]), column, shown(p)) for p in positions[:EXAMPLES]]
        problems += SkippedRows({reason: len(positions)}, {reason: first})
    return problems


def _shown(content):
    return content if isinstance(content, str) else f"{len(content):,} bytes"
