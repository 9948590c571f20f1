"""Labels that are any number of classes: tags."""

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, listed, place, short, source_of
from kerasfusion.data.labels import is_list, is_value, refuse_unknown, sorted_names, value_name, written_list
from kerasfusion.data.table import is_missing
from kerasfusion.data.tasks.base import LabelType, count_classes, labelled

# Rows x tags x 4 bytes: more is no list of tags.
MOST_TAG_BYTES = 4 * 1024**3


class Multilabel(LabelType):
    """float32 `(n, C)` of zeros and ones, NaN where the label is missing."""

    def encode(self, frame, column, classes=None):
        return _encode_tags(frame, column, classes)

    def strata(self, values):
        present = values == 1
        rank = np.argsort(np.argsort(present.sum(axis=0), kind="stable"))
        # A row without tags comes after the commonest.
        return np.where(present, rank, present.shape[1]).min(axis=1)

    def profile(self, task, splits):
        kept = labelled(task, splits)
        found = count_classes(task, {name: values.sum(axis=0) for name, values in kept.items()})
        untagged = {name: int((values.sum(axis=1) == 0).sum()) for name, values in kept.items()}
        return {**found, "untagged": untagged}


def _encode_tags(frame, column, classes):
    series = frame[column]
    missing = is_missing(series).to_numpy()
    # Lists cannot be hashed; tuples of names can. A string is still to be divided.
    cells = [None if gone else _names(v) if is_list(v) else v for v, gone in zip(series, missing, strict=True)]
    codes, uniques = _codes_of(cells, missing)
    tags = [_tags_of(cell, classes or ()) for cell in uniques]
    _refuse_no_tags(frame, column, codes, tags)
    learn = classes is None
    if learn:
        classes = sorted_names({tag for cell in tags for tag in cell})
        if len(series) * len(classes) * 4 > MOST_TAG_BYTES:
            raise DataError(
                f"{source_of(frame)}: column {column!r} has {len(classes):,} different tags in {len(series):,} rows, "
                f"too many to learn ({short(classes[0])}, …). Name another label, or keep the most frequent tags."
            )
    place_of = {name: i for i, name in enumerate(classes)}
    refuse_unknown(frame, column, codes, tags, place_of)
    table = np.zeros((len(uniques) + 1, len(classes)), "float32")
    for row, cell in enumerate(tags):
        table[row, [place_of[tag] for tag in cell]] = 1
    table[-1] = np.nan
    if learn and not (len(uniques) and np.ptp(table[:-1], axis=0).any()):
        raise DataError(
            f"{source_of(frame)}: every row of column {column!r} has the same tags, "
            f"{listed(classes)}: nothing to learn."
        )
    return table[codes], tuple(classes)


def _codes_of(cells, missing):
    """Per cell the number of its value, -1 where it is missing, and the values, None for what is no value."""
    number_of, codes = {}, np.full(len(cells), -1)
    for i in np.flatnonzero(~missing):
        cell = cells[i] if isinstance(cells[i], tuple) or is_value(cells[i]) else None
        codes[i] = number_of.setdefault((type(cell), cell), len(number_of))
    return codes, [cell for _, cell in number_of]


def _refuse_no_tags(frame, column, codes, tags):
    wrong = [code for code, names in enumerate(tags) if names is None]
    if wrong:
        position = np.flatnonzero(np.isin(codes, wrong))[0]
        raise DataError(
            f"{place(frame, position, column)}: {short(frame[column].iloc[position])} holds no tags. Tags are a list "
            "of strings or numbers, or a text in which | or ; divides them."
        )


def _tags_of(cell, classes):
    """The names in a tuple of names or in a text; None if there is something else."""
    if cell is None or isinstance(cell, tuple):
        return cell
    if value_name(cell) in classes:
        return (value_name(cell),)  # a known tag that holds the divider itself
    written = written_list(str(cell).strip())
    return _names(str(cell).replace(";", "|").split("|") if written is None else written)


def _names(items):
    """The distinct names of a list's items, sorted, missing ones left out; None if an item is a list or an object."""
    items = [item for item in items if not (item is None or item is pd.NA)]
    if not all(map(is_value, items)):
        return None
    names = {value_name(item) for item in items if item == item}  # NaN is not itself
    return tuple(sorted(names - {""}))
