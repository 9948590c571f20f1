"""What looks odd in a table though nothing of it is wrong: said, and left as it is."""

import unicodedata

from kerasfusion.data.features import FEATURES
from kerasfusion.data.features.text import garbled_notes
from kerasfusion.data.labels import value_name
from kerasfusion.feature_kinds import KINDS


def run_data_checks(frame, columns, places):
    """Sentences on what a reader of the results should know of the columns.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.
        places: Column of files, such as images -> int array (number of rows,), equal numbers for rows of one file, -1
            for none.

    Returns:
        list of str: labels spelled in several ways, features that are the same in every row or equal to a label, and
        texts with garbled characters.
    """
    notes = []
    for column in columns.class_labels:
        notes += _spellings(frame[column], column)
    for kind, own in columns.inputs.items():
        for column in own:
            notes += FEATURES[kind].notes(frame, column, places.get(column))
    for column in columns.text_labels:
        notes += garbled_notes(frame[column], column)
    return notes + _label_again(frame, columns)


def _spellings(series, column):
    """Classes that differ in case, blanks or the form of an accent alone."""
    counts = series.dropna().map(value_name).value_counts()
    spellings = {}
    for name in counts.index:
        spellings.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
    notes = []
    for names in spellings.values():
        if len(names) > 1:
            shown = " and ".join(f"{name!r} ({counts[name]:,} rows)" for name in names)
            notes.append(
                f"Label {column!r}: {shown} differ only in case or blanks and are different classes. Spell them "
                "alike in the table if they are one."
            )
    return notes


def _label_again(frame, columns):
    """Features whose cell is the label, in every row that has both."""
    cells, notes = [c for kind, own in columns.inputs.items() if not KINDS[kind].stored for c in own], []
    for label in columns.labels:
        names = frame[label].map(value_name, na_action="ignore")
        for feature in cells:
            given = frame[feature].notna() & names.notna()
            same = frame[feature].map(value_name, na_action="ignore") == names
            if given.any() and same[given].all():
                notes.append(
                    f"Column {feature!r} is an input and equals the label {label!r} in every row: the model will "
                    "read it off. Leave the column out unless it is known where the model is used."
                )
    return notes
