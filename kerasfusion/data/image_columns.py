"""The image columns of a table: which images can be read, their common size, and stores of their pixels."""

import dataclasses
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import numpy as np

from kerasfusion.data.errors import DataError
from kerasfusion.data.image_decoding import why_undecodable
from kerasfusion.data.image_store import ImageStore
from kerasfusion.data.images import resolve_images
from kerasfusion.data.settings import Setting
from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.data.table import is_missing
from kerasfusion.names import safe_names

# Images are not made larger than this side unless asked: time grows with the area.
LARGEST_INFERRED_SIDE = 128


@dataclasses.dataclass(frozen=True, eq=False)
class ImageColumns:
    """The image columns of a table whose images were read.

    Args:
        size: `(height, width)` of the pixels.
        index: Column -> int32 `(rows,)`, places in the column's store; -1 for none.
        stores: Column -> `ImageStore`.
        sizes: Column -> int32 `(images, 2)`, height and width of each image as it came.
        settings: `Setting`s of the size and the caches.
    """

    size: tuple
    index: dict
    stores: dict
    sizes: dict
    settings: list


def read_image_columns(frame, columns, image_size, image_dir, allow_external_paths, cache_dir):
    """Read the images of a table's image columns, and tell the rows whose image cannot be read.

    Args:
        frame: A frame from `clean_rows`.
        columns: Names of the image columns.
        image_size: `(height, width)`, one side in pixels, or None to infer it.
        image_dir: As for `kf.data.load`, like the others.
        allow_external_paths: See there.
        cache_dir: See there.

    Returns:
        tuple: the `ImageColumns`; bool `(rows,)`, which rows are usable; and the `SkippedRows` of the others.

    Raises:
        DataError: More than half of the rows have an image that cannot be read.
    """
    sources = {column: resolve_images(frame, column, image_dir, allow_external_paths) for column in columns}
    checks = {column: found.check() for column, found in sources.items()}
    size, reason = _image_size(checks, image_size)
    stores = {
        column: ImageStore(found.decodable(checks[column]), size, cache_dir=cache_folder(cache_dir, column, size))
        for column, found in sources.items()
    }
    usable, dropped = _usable_rows(frame, sources, checks, stores)
    index = {column: found.row_index for column, found in sources.items()}
    settings = [Setting("image size", f"{size[0]} x {size[1]}", reason, "--image-size")] if columns else []
    settings += [cache_setting(column, store.cache) for column, store in stores.items() if store.cache is not None]
    sizes = {column: check.sizes for column, check in checks.items()}
    return ImageColumns(size, index, stores, sizes, settings), usable, dropped


def read_images_of(frame, feature, image_dir, allow_external_paths):
    """Read the images of a schema's feature; one that cannot be read counts as missing.

    Args:
        frame: A frame from `clean_rows`.
        feature: The image `Feature`.
        image_dir: As for `kf.data.load`, like the other.
        allow_external_paths: See there.

    Returns:
        tuple: int32 `(rows,)` places in the store, -1 for none; the `ImageStore`; the `SkippedRows`.
    """
    (column,) = feature.columns
    if is_missing(frame[column]).all():
        return np.full(len(frame), -1, "int32"), ImageStore([], feature.size), SkippedRows()
    found = resolve_images(frame, column, image_dir, allow_external_paths)
    check = found.check()
    store = ImageStore(found.decodable(check), feature.size)
    bad = check.bad | store.failed
    index = found.row_index.copy()
    index[(index >= 0) & bad[index]] = -1
    return index, store, _as_missing(check.problems + _undecodable(found, store.failed & ~check.bad))


def _image_size(checks, wanted):
    if wanted is not None:
        return image_sides(wanted), "given"
    sizes = [check.sizes[~check.bad & (check.sizes[:, 0] > 0)] for check in checks.values()]
    sizes = np.concatenate(sizes) if sizes else np.zeros((0, 2), int)
    if not len(sizes):
        return (64, 64), "default"
    # Multiples of 8 keep the grids of strided encoders even.
    side = int(np.clip(round(float(np.median(sizes)) / 8) * 8, 16, LARGEST_INFERRED_SIDE))
    low, high = sizes.min(axis=0), sizes.max(axis=0)
    seen = f"{low[0]} x {low[1]}" if (low == high).all() else f"{low[0]} x {low[1]} to {high[0]} x {high[1]}"
    return (side, side), f"images are {seen}; at most {LARGEST_INFERRED_SIDE} unless given"


def image_sides(image_size):
    """`(height, width)` of a size given as one side or both."""
    return tuple(image_size) if isinstance(image_size, tuple | list) else (image_size, image_size)


def cache_folder(cache_dir, column, size):
    """A folder of its own for each image column and size; a column's name may hold what a file's may not."""
    if cache_dir is None:
        return None
    name = quote(column, safe="")
    # A file's name has at most 255 bytes, and some are added for temporary ones.
    name = name if len(name) <= 200 else f"{safe_names([column])[column]}_{sha256(name.encode()).hexdigest()[:12]}"
    return Path(cache_dir) / f"{name}-{size[0]}x{size[1]}"


def cache_setting(column, cache):
    reasons = {
        "reused": "decoded before; images unchanged",
        "written": "decoded and written now",
        "rewritten": "REWRITTEN: it held other images, or they changed",
    }
    value = f"{cache.folder} ({len(cache.failed):,} images, {cache.bytes / 1e6:,.1f} MB)"
    return Setting(f"image cache ({column})", value, reasons[cache.state], "--cache-dir")


def _usable_rows(frame, sources, checks, stores):
    """Rows whose images can be read, and a count of the others; more than half of them is an error."""
    bad_rows = np.zeros(len(frame), bool)
    dropped = SkippedRows()
    for column, found in sources.items():
        bad = checks[column].bad | stores[column].failed
        bad_rows |= (found.row_index >= 0) & bad[found.row_index]
        bad_rows |= found.unusable_rows
        dropped = dropped + checks[column].problems + _undecodable(found, stores[column].failed & ~checks[column].bad)
    if bad_rows.sum() * 2 > len(frame):
        raise DataError(
            f"{frame.attrs.get('source', 'table')}: {bad_rows.sum():,} of {len(frame):,} rows have an image that "
            f"cannot be read.\n{dropped}"
        )
    return ~bad_rows, dropped


def _undecodable(found, failed):
    """The rows whose image has a sound header and broken contents."""
    rows = np.flatnonzero((found.row_index >= 0) & failed[found.row_index])
    reasons = {}
    for image in np.unique(found.row_index[rows]):
        reasons.setdefault(why_undecodable(found.keys[image]), []).append(image)
    return found.problems(reasons)


def _as_missing(skipped):
    return SkippedRows(
        {f"{reason}; taken as missing": count for reason, count in skipped.counts.items()},
        {f"{reason}; taken as missing": rows for reason, rows in skipped.examples.items()},
    )
