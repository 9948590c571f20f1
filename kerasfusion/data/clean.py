"""Rows that cannot be used: dropped, counted, and shown."""

import dataclasses

import pandas as pd

from kerasfusion.data.captions import one_caption_per_row, without_wordless
from kerasfusion.data.column_roles import check_text
from kerasfusion.data.errors import DataError, short, source_of
from kerasfusion.data.labels import check_values, read_numbers, value_name
from kerasfusion.data.table import is_missing

EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class SkippedRows:
    """What was left out of a table, and why.

    Args:
        counts: Reason -> number of rows.
        examples: Reason -> the first three `(row, column, value)`; rows count from 1 as in the table.

    Example:
    ```python
    frame, skipped = clean_rows(frame, columns)
    print(skipped + SkippedRows({"not an image": 1}, {"not an image": [(7, "photo", "cat.png")]}))
    # 3 rows:
    #   2 x label missing: row 4, column 'species' (nan); row 9, column 'species' ('')
    #   1 x not an image: row 7, column 'photo' ('cat.png')
    ```
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    examples: dict[str, list[tuple]] = dataclasses.field(default_factory=dict)

    @property
    def total(self):
        """Number of rows, over all reasons."""
        return sum(self.counts.values())

    def __bool__(self):
        return self.total > 0

    def __add__(self, other):
        reasons = [*self.counts, *(r for r in other.counts if r not in self.counts)]
        return SkippedRows(
            {r: self.counts.get(r, 0) + other.counts.get(r, 0) for r in reasons},
            {r: [*self.examples.get(r, []), *other.examples.get(r, [])][:EXAMPLES] for r in reasons},
        )

    def __str__(self):
        lines = [f"{self.total:,} row{'' if self.total == 1 else 's'}{':' if self else ''}"]
        for reason, count in self.counts.items():
            examples = self.examples.get(reason, [])
            shown = [f"row {row}, column {column!r} ({short(value)})" for row, column, value in examples]
            lines.append(f"  {count:,} x {reason}{': ' if shown else ''}{'; '.join(shown)}")
        return "\n".join(lines)


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
            frame[column] = _stripped(frame[column])
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
        skipped += _skipped("label missing", raw[rows], column)
    skipped += _skipped("no text, image or number", raw[no_feature], columns.features[0])
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
    for column, what in ((columns.image[0], "no image"), (columns.text[0], "no text")):
        lacking = frame[column].isna() & whole
        skipped += _skipped(f"{what} to match", frame[lacking], column)
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
    for column in columns.image + columns.text:
        frame[column] = _stripped(frame[column])
    for column in columns.text:
        check_text(frame, column)
        texts = frame[column].map(value_name, na_action="ignore")
        # Without a single text it would be a column of numbers.
        frame[column] = texts if texts.notna().any() else texts.astype(object)
    for column in columns.numeric:
        frame[column] = read_numbers(frame, column)
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
    names = list(columns.image + columns.text)
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


def _stripped(series):
    if isinstance(series.dtype, pd.StringDtype):
        series = series.str.strip()
    elif series.dtype == object:
        series = series.map(lambda v: v.strip() if isinstance(v, str) else v, na_action="ignore")
    return series.mask(is_missing(series))


def _skipped(reason, rows, column):
    if not len(rows):
        return SkippedRows()
    first = rows[column].head(EXAMPLES)
    return SkippedRows({reason: len(rows)}, {reason: [(int(i) + 1, column, value) for i, value in first.items()]})


def _hashable(series):
    def content(cell):
        return cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell

    return series.map(content, na_action="ignore")
