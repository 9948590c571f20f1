"""The video columns of a table: which videos can be read, their common size, and stores of their frames."""

import dataclasses
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from kerasfusion.bounds import MOST_GIF_FRAMES, MOST_PIXELS
from kerasfusion.data.errors import DataError, source_of
from kerasfusion.data.image_columns import cache_folder, cache_setting, image_sides
from kerasfusion.data.images import read_header, same_bytes
from kerasfusion.data.pixel_bytes import pack_pixels
from kerasfusion.data.settings import Setting
from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.data.video_cells import is_gif, read_video_cells
from kerasfusion.data.video_files import read_frames, read_video_header
from kerasfusion.data.video_store import VideoStore, read_gifs, sampled

# Frames are not made larger than this side unless asked: time grows with the area and with the number of frames.
LARGEST_INFERRED_SIDE = 64
DEFAULT_FRAMES = 8
_NO_FRAME = "no frame can be decoded (cut off or damaged)"
_NO_GIF = (
    f"GIF that is damaged, or of over {MOST_GIF_FRAMES:,} frames or {MOST_PIXELS // 10**6} megapixels in all frames"
)


@dataclasses.dataclass(frozen=True, eq=False)
class VideoColumns:
    """The video columns of a table whose videos were read.

    Args:
        size: `(height, width)` of the pixels.
        length: Number of frames.
        index: Column -> int32 `(rows,)`, places in the column's store; -1 for none.
        stores: Column -> `VideoStore`.
        sizes: Column -> int32 `(videos, 3)`: number of frames, height and width of each video as it came; 0 where
            unknown.
        settings: `Setting`s of the size, the number of frames and the caches.
    """

    size: tuple
    length: int
    index: dict
    stores: dict
    sizes: dict
    settings: list


@dataclasses.dataclass(frozen=True, eq=False)
class _Looked:
    """The videos of a column, looked at: `headers` are those of video files, None of other videos."""

    cells: object
    headers: list
    sizes: np.ndarray


def read_video_columns(frame, columns, frames, image_size, image_dir, allow_external_paths, cache_dir):
    """Read the videos of a table's video columns, and tell the rows whose video cannot be read.

    Args:
        frame: A frame from `clean_rows`.
        columns: Names of the video columns.
        frames: Number of frames taken of each video.
        image_size: `(height, width)`, one side in pixels, or None to infer it.
        image_dir: As for `kf.data.load`, like the others.
        allow_external_paths: See there.
        cache_dir: See there.

    Returns:
        tuple: the `VideoColumns`; bool `(rows,)`, which rows are usable; and the `SkippedRows` of the others.

    Raises:
        DataError: More than half of the rows have a video that cannot be read.
    """
    looked = {c: _look(read_video_cells(frame, c, image_dir, allow_external_paths), frames) for c in columns}
    size, reason = _frame_size([own.sizes for own in looked.values()], image_size)
    given = "default" if frames == DEFAULT_FRAMES else "given"
    found = VideoColumns(size, frames, {}, {}, {}, [])
    found.settings.append(Setting("frames", str(frames), f"{given}: evenly spaced over each video", "--frames"))
    found.settings.append(Setting("frame size", f"{size[0]} x {size[1]}", reason, "--image-size"))
    usable, dropped = np.ones(len(frame), bool), SkippedRows()
    for column, own in looked.items():
        cells, store = own.cells, _store(own, frames, size, cache_folder(cache_dir, column, size))
        bad = cells.unusable()
        usable &= ~((cells.index >= 0) & bad[cells.index])
        dropped += cells.problems()
        found.index[column], found.stores[column], found.sizes[column] = cells.index, store, own.sizes
        if store.damaged.any():
            value = f"{store.damaged.sum():,} of {len(store.keys):,} videos"
            reason = "have frames that cannot be read: the frame before is shown"
            found.settings.append(Setting(f"damaged ({column})", value, reason, ""))
        if store.cache is not None:
            found.settings.append(cache_setting(column, store.cache))
    if (~usable).sum() * 2 > len(frame):
        raise DataError(
            f"{source_of(frame)}: {(~usable).sum():,} of {len(frame):,} rows have a video that cannot be read.\n"
            f"{dropped}"
        )
    return found, usable, dropped


def read_videos_of(frame, feature, image_dir, allow_external_paths):
    """Read the videos of a schema's feature; one that cannot be read counts as missing.

    Args:
        frame: A frame from `clean_rows`.
        feature: The video `Feature`.
        image_dir: As for `kf.data.load`, like the other.
        allow_external_paths: See there.

    Returns:
        tuple: int32 `(rows,)` places in the store, -1 for none; the `VideoStore`; the `SkippedRows`.
    """
    (column,) = feature.columns
    if frame[column].isna().all():
        return np.full(len(frame), -1, "int32"), VideoStore([], feature.length, feature.size), SkippedRows()
    looked = _look(read_video_cells(frame, column, image_dir, allow_external_paths), feature.length)
    store, cells = _store(looked, feature.length, feature.size), looked.cells
    index, problems = cells.as_missing()
    return index, store, problems


def _look(cells, length):
    """Read headers, of lists only those of the frames that are taken, and add to the reasons."""
    count = len(cells.contents)
    headers, sizes = [None] * count, np.zeros((count, 3), "int32")
    listed = [number for number, content in enumerate(cells.contents) if isinstance(content, tuple)]
    for number in listed:
        sizes[number, 0] = len(cells.contents[number])
        cells.contents[number] = sampled(cells.contents[number], length)
    frames = list(dict.fromkeys(frame for number in listed for frame in cells.contents[number]))
    files = [n for n in range(count) if n not in cells.reasons and not isinstance(cells.contents[n], tuple)]
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2)) as pool:
        # Pillow warns about large images and odd metadata; what matters of it is in the answer.
        warnings.simplefilter("ignore")
        found = dict(zip(frames, pool.map(read_header, frames), strict=True))
        whole = dict(zip(files, pool.map(lambda n: _header(cells.contents[n]), files), strict=True))
    for number in listed:
        if number in cells.reasons:
            continue
        own = [found[frame] for frame in cells.contents[number]]
        readable = [size for size in own if not isinstance(size, str)]
        if readable:
            sizes[number, 1:] = readable[0]
            cells.contents[number] = tuple(
                b"" if isinstance(size, str) else frame
                for size, frame in zip(own, cells.contents[number], strict=True)
            )
        else:
            cells.reasons[number] = own[0]
    for number, header in whole.items():
        if isinstance(header, str):
            cells.reasons[number] = header
        elif isinstance(header, tuple):
            sizes[number] = header
        else:
            headers[number], sizes[number] = header, (len(header.times), *header.size)
    return _Looked(cells, headers, sizes)


def _header(content):
    """Of a GIF number of frames, height and width; of another file its `VideoHeader`; or why it cannot be used."""
    if not is_gif(content):
        return read_video_header(content)
    size = read_header(content)
    if isinstance(size, str):
        return size
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            return image.n_frames, *size
    except Exception:  # Pillow's plugins let through whatever error a broken file leads them to
        return 0, *size


def _frame_size(sizes, wanted):
    if wanted is not None:
        return image_sides(wanted), "given"
    sizes = np.concatenate([own[:, 1:] for own in sizes]) if sizes else np.zeros((0, 2), int)
    sizes = sizes[sizes[:, 0] > 0]
    if not len(sizes):
        return (LARGEST_INFERRED_SIDE,) * 2, "default"
    # Multiples of 8 keep the grids of strided encoders even.
    side = int(np.clip(round(float(np.median(sizes)) / 8) * 8, 16, LARGEST_INFERRED_SIDE))
    low, high = sizes.min(axis=0), sizes.max(axis=0)
    seen = f"{low[0]} x {low[1]}" if (low == high).all() else f"{low[0]} x {low[1]} to {high[0]} x {high[1]}"
    return (side, side), f"frames are {seen}; at most {LARGEST_INFERRED_SIDE} unless given"


def _store(looked, length, size, cache_dir=None):
    """The store of a column. Videos that cannot be decoded get a reason, and equal ones become one."""
    cells = looked.cells
    files = [n for n, content in enumerate(cells.contents) if not isinstance(content, tuple)]
    files = [number for number in files if number not in cells.reasons]
    gifs = [number for number in files if looked.headers[number] is None]
    others = [number for number in files if looked.headers[number] is not None]
    decoded = dict(zip(gifs, read_gifs([cells.contents[n] for n in gifs], length, size, MOST_PIXELS), strict=True))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        read = pool.map(lambda n: read_frames(cells.contents[n], looked.headers[n], length, size), others)
        for number, own in zip(others, read, strict=True):
            decoded[number] = None if own is None else tuple(map(pack_pixels, own))
    for number, frames in decoded.items():
        if frames is None:
            cells.reasons[number] = _NO_FRAME if looked.headers[number] else _NO_GIF
        cells.contents[number] = frames
    nothing = (b"",) * length
    keys = [nothing if number in cells.reasons else content for number, content in enumerate(cells.contents)]
    _join_equal(looked, keys)
    store = VideoStore(keys, length, size, cache_dir)
    for number in np.flatnonzero(store.failed & ~cells.unusable()):
        cells.reasons[int(number)] = _NO_FRAME
    return store


def _join_equal(looked, keys):
    """Let rows whose videos show the same frames share a place, so that they stay in one split."""
    names = list(dict.fromkeys(frame for key in keys for frame in key))
    _, identity = same_bytes(names)
    of = dict(zip(names, identity.tolist(), strict=True))
    cells, first = looked.cells, {}
    joined = np.arange(len(keys) + 1, dtype="int32")
    joined[-1] = -1
    for number, key in enumerate(keys):
        if number not in cells.reasons:
            joined[number] = first.setdefault(tuple(of[frame] for frame in key), number)
    cells.index[:] = joined[cells.index]
