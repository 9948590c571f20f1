"""Columns of boxes, each a feature: regions of the row's image."""

import dataclasses

import numpy as np
import pandas as pd
import tensorflow as tf

from kerasfusion.data.box_cells import clean_boxes, read_boxes
from kerasfusion.data.errors import DataError, listed, place, source_of
from kerasfusion.data.features.base import FeatureColumns
from kerasfusion.data.settings import Setting
from kerasfusion.data.skipped_rows import SkippedRows, skipped_rows
from kerasfusion.data.summaries import value_range
from kerasfusion.preprocessing.features.boxes import Boxes
from kerasfusion.schema import SPECIAL_CATEGORIES, Feature

# Time and memory grow with the boxes of a row: more only where asked. Detectors of regions commonly give 36.
MOST_INFERRED_BOXES = 36
MOST_SHOWN = 8
_READ = Boxes()
_UNKNOWN = SPECIAL_CATEGORIES.index("[UNKNOWN]")
_UNSOUND = (
    "a box without four finite numbers, or whose right or bottom edge is not behind its left or top one: left out"
)
_NO_IMAGE = "boxes in pixels of an image that is not there: taken as missing"
_OUTSIDE = "a box outside of its image: left out"
_CLIPPED = "a box that reaches over the edge of its image: clipped"
_MORE = "more boxes than the model takes: those of the lowest score, else the smallest, are left out"


class BoxColumns(FeatureColumns):
    """float32 `(n, N, 4)`: left, top, right and bottom as fractions of the image, zeros behind the last box.

    A fifth number, where boxes have categories, is the category's id: 0 missing, 1 unknown.
    """

    hashed = (("boxes", "arrays"),)

    def check(self, frame, column):
        if clean_boxes(frame, column).isna().all():
            raise DataError(f"{source_of(frame)}, column {column!r} (boxes): every cell is empty.")

    def clean(self, frame, column):
        return clean_boxes(frame, column)

    def notes(self, frame, column, places=None):
        filled = frame[column].dropna()
        if len(filled) == len(frame) and filled.nunique() == 1:
            return [f"Every row has the same boxes (column {column!r}): they say nothing but where to look."]
        return []

    def fit(self, frame, columns, name, limits, files=None):
        (column,) = columns
        table = read_boxes(frame[column])
        _refuse_unsound(frame, column, table)
        units, why_units = _units(table, limits.get("box_units"))
        image = _image_of(frame, column, units, limits)
        counts = np.bincount(table.rows[table.sound], minlength=len(frame))
        length, why = limits.get("boxes_per_image"), "given"
        if not length:
            length, why = min(int(counts.max()), MOST_INFERRED_BOXES), f"a training row has up to {counts.max():,}"
        if (counts > length).any():
            why += f"; {(counts > length).mean():.1%} of rows have more"
        settings = [
            Setting(f"boxes ({column})", f"{length} per row", why, "--boxes-per-image"),
            Setting(f"coordinates ({column})", units + (f" of {image}" if image else ""), why_units, "--box-units"),
        ]
        known = pd.Series([label for label in table.labels[table.sound] if label is not None], dtype=object)
        known, most = known.value_counts(), limits["max_tokens"]
        kept = sorted(known.index, key=lambda label: (-known[label], label))[:most]
        if kept:
            why = f"{len(known):,} seen in training, at most {most:,}"
            settings.append(Setting(f"categories ({column})", f"{len(kept):,}", why, "--max-tokens"))
        return Feature(
            name,
            "boxes",
            columns,
            length=length,
            categories=(tuple(kept),) if kept else (),
            image=image,
            units=units,
        ), settings

    def encode(self, frame, feature, stored=None):
        placed = _placed(frame, feature, stored)
        raw = np.zeros((len(frame), *feature.input_shape), "float32")
        kept = placed.kept
        raw[placed.rows[kept], placed.order[kept]] = placed.boxes[kept]
        boxes, present = _READ.read(feature, tf.constant(raw), None, None)
        return boxes.numpy(), present.numpy()

    def left_out(self, frame, feature, stored):
        placed, (column,) = _placed(frame, feature, stored), feature.columns
        found = SkippedRows()
        for reason, boxes in placed.reasons.items():
            found = found + skipped_rows(reason, frame.iloc[np.unique(placed.rows[boxes])], column)
        return found

    def profile(self, feature, splits, sizes=None):
        boxes = {name: split.arrays[feature.name] for name, split in splits.items()}
        sides = {name: own[..., 2:4] - own[..., :2] for name, own in boxes.items()}
        there = {name: (own > 0).all(axis=-1) for name, own in sides.items()}
        found = {
            "length": feature.length,
            "units": feature.units,
            "image": feature.image,
            "boxes": {name: value_range(own.sum(axis=1)) for name, own in there.items()},
            "area": {name: value_range(sides[name].prod(axis=-1)[own]) for name, own in there.items()},
        }
        if feature.categories:
            ids = {name: own[..., 4][there[name]].astype(int) for name, own in boxes.items()}
            counts = np.bincount(np.concatenate(list(ids.values())), minlength=len(feature.category_names[0]))
            commonest = np.argsort(-counts, kind="stable")[:MOST_SHOWN]
            found["unknown"] = {name: int((own == _UNKNOWN).sum()) for name, own in ids.items()}
            found["commonest"] = [[feature.category_names[0][i], int(counts[i])] for i in commonest if counts[i]]
        return {feature.name: found}


@dataclasses.dataclass(frozen=True, eq=False)
class _Placed:
    """The boxes of some rows in their images.

    `rows` int64 `(boxes,)`; `boxes` float32 `(boxes, 4 or 5)` as a model takes them; `kept` bool, which of them it
    takes, and `order` int64, at which place of its row; `reasons` what happened to others -> bool `(boxes,)`.
    """

    rows: np.ndarray
    boxes: np.ndarray
    kept: np.ndarray
    order: np.ndarray
    reasons: dict


def _placed(frame, feature, stored):
    (column,) = feature.columns
    table = read_boxes(frame[column])
    corners, sound = table.corners, table.sound
    no_image = np.zeros(len(sound), bool)
    if feature.units == "pixels":
        height, width = _sizes(frame, feature, stored)[table.rows].T
        no_image = height == 0
        corners = corners / np.maximum(np.stack([width, height, width, height], axis=1), 1)
    clipped = np.clip(np.where(sound[:, None], corners, 0.0), 0.0, 1.0).astype("float32")
    inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    usable = sound & inside & ~no_image
    order = _order(table, clipped, usable)
    kept = usable & (order < feature.length)
    # A hundredth of the image is a slip of rounding, as annotation tools make it.
    over = (np.abs(np.where(sound[:, None], corners, 0.0) - clipped) > 0.01).any(axis=1)
    reasons = {
        _UNSOUND: ~sound,
        _NO_IMAGE: sound & no_image,
        _OUTSIDE: sound & ~inside & ~no_image,
        _CLIPPED: usable & over,
        _MORE: usable & ~kept,
    }
    return _Placed(table.rows, _with_ids(clipped, table, feature), kept, _places(table.rows, kept), reasons)


def _order(table, clipped, usable):
    """The rank of each usable box in its row: those of the highest score first, then the largest."""
    area = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
    score = np.where(np.isfinite(table.scores), table.scores, -np.inf)
    order = np.lexsort((-area, -score, ~usable, table.rows))
    rank = np.empty(len(order), "int64")
    starts = np.searchsorted(table.rows[order], table.rows[order])
    rank[order] = np.arange(len(order)) - starts
    return rank


def _places(rows, kept):
    """The place of each kept box in its row, in the order of the cell."""
    places = np.zeros(len(rows), "int64")
    own = rows[kept]
    places[kept] = np.arange(len(own)) - np.searchsorted(own, own)
    return places


def _with_ids(corners, table, feature):
    if not feature.categories:
        return corners
    ids = {label: number for number, label in enumerate(feature.category_names[0])}
    found = [0 if label is None else ids.get(label, _UNKNOWN) for label in table.labels]
    return np.concatenate([corners, np.array(found, "float32")[:, None]], axis=1)


def _sizes(frame, feature, stored):
    """Height and width of each row's image, int `(n, 2)`; 0 where it has none."""
    places, store = (stored or {}).get(feature.image, (np.full(len(frame), -1), None))
    if store is None:
        return np.zeros((len(frame), 2), int)
    sizes = np.concatenate([store.shown_sizes, np.zeros((1, 2), "int32")])
    return sizes[places]


def _refuse_unsound(frame, column, table):
    bad = ~table.sound
    if bad.sum() * 2 > len(bad):
        position = int(table.rows[np.argmax(bad)])
        raise DataError(
            f"{place(frame, position, column)}: {bad.sum():,} of {len(bad):,} boxes have no finite numbers or a "
            "right or bottom edge that is not behind the left or top one. Write [left, top, right, bottom]; of "
            "[left, top, width, height], as COCO has them, add left and top to the last two."
        )
    if not len(bad):
        raise DataError(
            f"{source_of(frame)}: every training row lacks column {column!r} (boxes), so nothing is learned of it. "
            "Leave it out, or split the rows otherwise (split=…, --split)."
        )


def _units(table, given):
    if given is not None:
        if given not in ("pixels", "fractions"):
            raise DataError(f"box_units must be 'pixels' or 'fractions', not {given!r}.")
        return given, "given"
    within = (table.corners[table.sound] <= 1).all(axis=1).mean()
    if within >= 0.5:
        return "fractions", f"{within:.0%} of the boxes end at 1 or before"
    return "pixels", f"{1 - within:.0%} of the boxes reach beyond 1"


def _image_of(frame, column, units, limits):
    """Name of the image feature that the boxes lie in; "" for none."""
    images = {feature.columns[0]: feature.name for feature in limits["features"] if feature.kind == "image"}
    wanted = limits.get("box_image")
    if wanted is not None and wanted not in images:
        raise DataError(f"box_image: {wanted!r} is no image column; those are {listed(images)}.")
    if wanted is None and len(images) > 1:
        raise DataError(
            f"{source_of(frame)}: in which image do the boxes of column {column!r} lie, {listed(images)}? Name it "
            "(box_image=…, --box-image)."
        )
    if not images and units == "pixels":
        raise DataError(
            f"{source_of(frame)}: the boxes of column {column!r} are in pixels, and there is no image column to tell "
            "of how many. Name it (image=…, --image), or give fractions of the image (box_units=…, --box-units)."
        )
    return images[wanted] if wanted else next(iter(images.values()), "")
