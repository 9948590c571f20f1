"""Columns of images, each a feature; rows that show the same image share its place in a store."""

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, listed, source_of
from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.image_columns import read_image_columns, read_images_of
from kerasfusion.data.pixel_bytes import MAGIC
from kerasfusion.data.summaries import value_range
from kerasfusion.data.table import is_missing
from kerasfusion.schema import Feature

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
# How images begin: packed pixels, PNG, JPEG, GIF, BMP, WebP's container, TIFF (both byte orders).
IMAGE_BEGINNINGS = (MAGIC, b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\x00", b"MM\x00*")
# Kinds of columns that are neither images nor text: a table may have thousands of them.
NUMERIC = "biufcmM"
IMAGE_NAMES = ("image", "photo", "picture", "img", "image_path", "path", "file", "filename", "file_name")
MOST_SIZES = 8


class ImageFiles(FeatureColumns):
    """int32 `(n,)`, places in an `ImageStore`; -1 for none."""

    hashed = (("images", "arrays"),)
    identifies = True

    def find(self, frame, free):
        found = {c: reason for c in free if (reason := image_reason(frame[c]))}
        # Several columns of images: the one whose name says so, else it is not ours to choose.
        named = [c for c in found if c.lower() in IMAGE_NAMES]
        if len(found) > 1 and len(named) != 1:
            raise DataError(
                f"{source_of(frame)}: which are the images, {listed(found)}? Name them (image=…, --image)."
            )
        chosen = (named if len(found) > 1 else list(found))[:1]
        return (tuple(chosen), f"inferred: {found[chosen[0]]}") if chosen else ((), "none: no column of images")

    def read_columns(self, frame, columns, options):
        """Read the files of all columns of the kind, and tell the rows whose file cannot be read.

        Args:
            frame: A frame from `clean_rows`.
            columns: Names of the columns.
            options: dict of the settings of `kf.data.load`.

        Returns:
            tuple: the `ImageColumns`, with `index`, `stores`, `sizes` and `settings`; bool `(rows,)`, which rows are
        usable; and the `SkippedRows` of the others.
        """
        names = ("image_size", "image_dir", "allow_external_paths", "cache_dir")
        return read_image_columns(frame, columns, *(options[name] for name in names))

    def read_again(self, frame, feature, options):
        """Read the files of a feature that was learned before; one that cannot be read counts as missing.

        Args:
            frame: A frame from `clean_rows`.
            feature: The `Feature`.
            options: dict of `image_dir` and `allow_external_paths`.

        Returns:
            tuple: int32 `(rows,)` places in the store, -1 for none; the store; the `SkippedRows`.
        """
        return read_images_of(frame, feature, options["image_dir"], options["allow_external_paths"])

    def notes(self, frame, column, places=None):
        if len(set(places.tolist())) == 1:
            return [f"Every row shows the same image (column {column!r}): nothing can be learnt from it."]
        return []

    def fit(self, frame, columns, name, limits, files=None):
        return Feature(name, "image", columns, size=files.size), []

    def profile(self, feature, splits, sizes=None):
        found = {"size": list(feature.size), "images": {}, "rows_per_image": {}}
        shown = {name: split.arrays[feature.name] for name, split in splits.items()}
        for name, index in shown.items():
            counts = np.unique(index[index >= 0], return_counts=True)[1]
            found["images"][name] = len(counts)
            found["rows_per_image"][name] = value_range(counts)
        if sizes is not None:
            used = np.unique(np.concatenate(list(shown.values())))
            sizes = sizes[used[used >= 0]]
            distinct, counts = np.unique(sizes[sizes[:, 0] > 0], axis=0, return_counts=True)
            order = np.argsort(-counts, kind="stable")
            found["distinct_sizes"] = len(distinct)
            found["sizes"] = [[*map(int, distinct[i]), int(counts[i])] for i in order[:MOST_SIZES]]
            found["height"], found["width"] = (value_range(sizes[sizes[:, 0] > 0][:, axis]) for axis in (0, 1))
        return {feature.name: found}

    def raw_inputs(self, feature, examples):
        bank, places = examples.banks[feature.name], examples.arrays[feature.name]
        return {f"{feature.name}_bytes": [bank.encoded(i) if i >= 0 else b"" for i in places]}

    def cells(self, feature, examples):
        return [examples.arrays[feature.name]]


def image_reason(series):
    """Why a column is one of images, None if it is not."""
    if series.dtype.kind in NUMERIC:
        return None
    filled = series[~is_missing(series)]
    content = pd.api.types.infer_dtype(filled)
    if filled.empty:
        return None
    if content == "string":
        lower = filled.str.strip().str.lower()
        ends, inline = lower.str.endswith(IMAGE_SUFFIXES), lower.str.startswith("data:image/")
        share = (ends | inline).mean()
        # What is on the web cannot be read from here; such a column often stands beside the file's.
        if share < 0.8 or lower.str.startswith(("http://", "https://")).mean() > 0.5:
            return None
        kinds = lower[ends].head(1000).str.extract(r"(\.\w+)$")[0].value_counts().index
        what = f"end in {'/'.join(kinds)}" if len(kinds) else "are images in base64"
        return f"{share * 100:.0f} % of cells {what}"
    if content == "bytes":
        some = filled.head(20)
        return "the cells are encoded images" if some.map(_begins_like_image).mean() >= 0.8 else None
    if all(isinstance(v, dict) and ("bytes" in v or "path" in v) for v in filled.head(20)):
        return "the cells hold images as {'bytes': …}"
    return None


def _begins_like_image(data):
    return bytes(data).startswith(IMAGE_BEGINNINGS)
