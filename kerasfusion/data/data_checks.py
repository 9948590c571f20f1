"""What looks odd in a table though nothing of it is wrong: said, and left as it is."""

import unicodedata

from kerasfusion.data.labels import value_name

# How UTF-8 looks once it was read as Windows-1252 and saved again: "Ã¼" for "ü", "â€™" for an apostrophe.
_GARBLED = "[ÃÂ][\u0080-\u00bf]|â€"


def run_data_checks(frame, columns, images):
    """Sentences on what a reader of the results should know of the columns.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.
        images: Image column -> int array (number of rows,), equal numbers for rows of one image, -1 for none.

    Returns:
        list of str: labels spelled in several ways, features that are the same in every row or equal to a label, and
        texts with garbled characters.
    """
    notes = []
    for column in columns.class_labels:
        notes += _spellings(frame[column], column)
    for column in columns.image:
        if len(set(images[column].tolist())) == 1:
            notes.append(f"Every row shows the same image (column {column!r}): nothing can be learnt from it.")
    for column in columns.text:
        texts = frame[column].dropna()
        if len(texts) == len(frame) and texts.nunique() == 1:
            notes.append(f"Every row has the same text (column {column!r}): nothing can be learnt from it.")
        notes += _garbled(texts, column)
    for column in columns.text_labels:
        notes += _garbled(frame[column], column)
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


def _garbled(texts, column):
    lost = texts.str.contains("\ufffd", regex=False)
    garbled = texts.str.contains(_GARBLED, regex=True)
    notes = []
    for found, what in (
        (lost, "characters that were lost when they were written (\ufffd)"),
        (garbled, "UTF-8 that was read as another encoding and saved again"),
    ):
        if found.any():
            notes.append(
                f"Text {column!r}: {found.sum():,} row(s) hold {what}, such as row "
                f"{texts.index[found.argmax()] + 1}. Export the table anew as UTF-8."
            )
    return notes


def _label_again(frame, columns):
    """Features whose cell is the label, in every row that has both."""
    notes = []
    for label in columns.labels:
        names = frame[label].map(value_name, na_action="ignore")
        for feature in columns.text + columns.numeric:
            given = frame[feature].notna() & names.notna()
            same = frame[feature].map(value_name, na_action="ignore") == names
            if given.any() and same[given].all():
                notes.append(
                    f"Column {feature!r} is an input and equals the label {label!r} in every row: the model will "
                    "read it off. Leave the column out unless it is known where the model is used."
                )
    return notes
