"""Rows that cannot be used: dropped, counted, and shown."""

import pandas as pd

from kerasfusion.data.captions import one_caption_per_row, without_wordless
from kerasfusion.data.errors import DataError, source_of
from kerasfusion.data.features import FEATURES
from kerasfusion.data.features.text import check_text
from kerasfusion.data.labels import check_values, value_name
from kerasfusion.data.skipped_rows import SkippedRows, skipped_rows
from kerasfusion.data.table import stripped


def clean_rows(frame, columns):
    """Strip strings, turn blanks into missing cells, and drop the rows that nothing can be learnt from.

    A row is dropped if a label is missing, or all of its features are. A row with a text and no image
    stays, and so does one with an empty list of tags, which says that it has none. Of a list of captions each gets a
    row of its own; one without a word counts as missing.

    Args:
        frame: A frame from `read_table`.
        columns: Its `ColumnRoles`.

    Returns:
        `(frame, skipped)`: the rows that stay, under their index of before, with texts and captions as strings
        and numbers as float64, and a `SkippedRows`.

    Raises:
        DataError: More than half of the rows would be dropped.
    """
    labels = list(columns.labels)
    captions = columns.text_labels
    for column in captions:
        frame = one_caption_per_row(frame, column)
    raw = frame
    frame = clean_features(frame, columns)
    for column in [*labels, columns.split, columns.group, columns.slice_by]:
        if column is not None:
            frame[column] = stripped(frame[column])
    for column, what in _named_once(columns).items():
        check_values(frame, column, what)
    for column in captions:
        frame[column] = without_wordless(frame[column])
        check_text(frame, column)
        frame[column] = frame[column].map(value_name, na_action="ignore")

    no_label = frame[labels].isna()
    no_feature = frame[list(columns.features)].isna().all(axis=1) & ~no_label.any(axis=1)
    skipped = SkippedRows()
    for column in labels:
        # A row without two of its labels is one row.
        rows = no_label[column] & ~no_label.loc[:, :column].iloc[:, :-1].any(axis=1)
        skipped += skipped_rows("label missing", raw[rows], column)
    skipped += skipped_rows("every input missing", raw[no_feature], columns.features[0])
    if skipped.total * 2 > len(frame):
        raise DataError(
            f"{source_of(frame)}: {skipped.total:,} of {len(frame):,} rows cannot be used, so something "
            f"is wrong with the table or with the choice of its columns.\n{skipped}"
        )
    return (frame[~(no_label.any(axis=1) | no_feature)] if skipped else frame), skipped


def whole_rows(frame, columns):
    """Drop the rows that lack an image or a text: to learn which go together, both are needed.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.

    Returns:
        `(frame, skipped)`.

    Raises:
        DataError: No row has both.
    """
    skipped, whole = SkippedRows(), pd.Series(True, index=frame.index)
    (image,), (text,) = columns.of_kind("image"), columns.of_kind("text")
    for column, what in ((image, "no image"), (text, "no text")):
        lacking = frame[column].isna() & whole
        skipped += skipped_rows(f"{what} to match", frame[lacking], column)
        whole &= ~lacking
    if not whole.any():
        raise DataError(f"{source_of(frame)}: no row has both an image and a text.\n{skipped}")
    return (frame[whole] if skipped else frame), skipped


def clean_features(frame, columns):
    """Strip strings, turn blanks into missing cells, make text cells strings and numbers float64; keep every row.

    Args:
        frame: A frame from `read_table`.
        columns: Its `ColumnRoles`.

    Returns:
        The frame with its feature columns cleaned.

    Raises:
        DataError: A text cell is no text, or a number no finite number.
    """
    frame = frame.copy(deep=False)
    for kind, names in columns.inputs.items():
        for column in names:
            frame[column] = FEATURES[kind].clean(frame, column)
    return frame


def duplicates_across_splits(frame, columns, splits):
    """Say how many rows outside of train have all images and texts of a training row.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.
        splits: Split name -> row positions, from `make_splits`.

    Returns:
        A list of sentences, one for each split that has such rows; rows count from 1 as in the table.
    """
    names = [c for kind, own in columns.inputs.items() if FEATURES[kind].identifies for c in own]
    if not names:
        return []
    cells = pd.DataFrame({name: _hashable(frame[name]) for name in names})
    keys = cells.groupby(names, dropna=False, sort=False).ngroup()
    rows = pd.Series(frame.index + 1, index=keys.to_numpy())
    in_train = rows.iloc[splits["train"]]
    in_train = in_train[~in_train.index.duplicated()]
    notes = []
    for split, positions in splits.items():
        twins = rows.iloc[positions]
        twins = twins[twins.index.isin(in_train.index)]
        if split != "train" and len(twins):
            what = " and ".join(map(repr, names))
            notes.append(
                f"{split}: {len(twins):,} row(s) have the same {what} as a training row "
                f"(row {twins.iloc[0]} and row {in_train[twins.index[0]]}). Scores may be too good."
            )
    return notes


def _named_once(columns):
    """The columns whose cells stand for one thing each -> what that is, for messages."""
    named = dict.fromkeys(columns.class_labels, "a label")
    for column, what in ((columns.split, "a split"), (columns.group, "a group"), (columns.slice_by, "a slice")):
        if column is not None:
            named.setdefault(column, what)
    return named


def _hashable(series):
    def content(cell):
        return cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell

    return series.map(content, na_action="ignore")
