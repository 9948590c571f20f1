"""Texts that name a class: there a model of the text alone can read the label off."""

import collections
import re

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from kerasfusion.data.features import FEATURES
from kerasfusion.data.labels import value_name
from kerasfusion.data.skipped_rows import EXAMPLES, SkippedRows
from kerasfusion.preprocessing.text import standardize

# A word of a class's name stands for the class if it is at least so long and in no other class's name.
SHORTEST_WORD = 4
# Texts are said to give the label away when so many rows, and this share of them, name their own class and no other,
# and when these are this share of the rows that name any.
FEWEST_ROWS = 5
SMALLEST_SHARE = 0.01
MOSTLY_OWN = 0.8
# With more classes than this, names are not looked for: it takes a pass over the texts for each.
MOST_CLASSES = 200


def mentions_class(texts, classes):
    """Which texts name which classes, by the class's whole name or by a word that is in this name alone.

    Args:
        texts: Sequence of str, `(n,)`; None and NaN name nothing.
        classes: Names of classes, `(C,)`. Numbers, names under 3 letters and names made of words such as "no" or
            "other" are not looked for.

    Returns:
        bool array `(n, C)`.

    Example:

    >>> mentions_class(["Suspected Covid pneumonia.", "Chest pain"], ["COVID-19", "other"])[:, 0].tolist()
    [True, False]
    """
    texts = pd.Series(texts, dtype=object)
    texts = texts.where(texts.notna(), "").astype(str)
    codes, distinct = pd.factorize(texts)
    plain = pd.Series([f" {' '.join(text.split())} " for text in _standard(list(distinct))], dtype=object)
    found = np.zeros((len(distinct), len(classes)), bool)
    names = [name.split() for name in _standard([str(c) for c in classes])]
    having = collections.Counter(word for words in names for word in set(words))
    for i, own in enumerate(names):
        alone = [word for word in own if having[word] == 1 and word not in ENGLISH_STOP_WORDS]
        forms = [word for word in alone if len(word) >= SHORTEST_WORD and word.isalpha()]
        telling = [word for word in own if not word.isnumeric() and word not in ENGLISH_STOP_WORDS]
        if telling and sum(map(len, own)) >= 3:
            forms.append(" ".join(own))
        if forms:
            pattern = " (?:" + "|".join(map(re.escape, forms)) + ") "
            found[:, i] = plain.str.contains(pattern, regex=True)
    return found[codes]


def naming_rows(frame, columns):
    """Rows of a table whose text names a class.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.

    Returns:
        tuple: bool `(n,)`, rows with a text that names any class of a label; and a list of sentences, one for each
        pair of a text and a label where the texts give the label away.
    """
    naming, notes = np.zeros(len(frame), bool), []
    for label in columns.class_labels:
        codes, classes = pd.factorize(frame[label].map(value_name))
        if len(classes) > MOST_CLASSES:
            continue
        for text in _sentences(columns):
            named = mentions_class(frame[text], classes)
            own = named[np.arange(len(frame)), codes] & (named.sum(axis=1) == 1)
            naming |= named.any(axis=1)
            if own.sum() < max(FEWEST_ROWS, SMALLEST_SHARE * len(frame)) or own.sum() < MOSTLY_OWN * named.sum():
                continue
            row = int(np.flatnonzero(own)[0])
            notes.append(
                f"LEAK: {own.sum():,} of {len(frame):,} rows name their own {label!r} in {text!r} (row "
                f"{frame.index[row] + 1}: {classes[codes[row]]!r}). There the text alone gives the answer away; "
                "compare with a training without such rows (drop_label_leaks=True, --drop-label-leaks)."
            )
    return naming, notes


def without_naming_rows(frame, columns, naming):
    """The frame without these rows, a `SkippedRows` that says which they are, and a list of sentences about them."""
    rows = frame.index[naming]
    if not len(rows):
        return frame, SkippedRows(), []
    reason = "text names a class (--drop-label-leaks)"
    text = _sentences(columns)[0]
    first = [(int(i) + 1, text, frame.at[i, text]) for i in rows[:EXAMPLES]]
    attrs, frame = frame.attrs, frame[~naming]
    frame.attrs = attrs
    note = (
        f"{len(rows):,} row(s) whose text names a class were left out. What the text alone still scores, it has from "
        "elsewhere: the case itself, but also by whom, where and how the text was written."
    )
    return frame, SkippedRows({reason: len(rows)}, {reason: first}), [note]


def _sentences(columns):
    return [column for kind, own in columns.inputs.items() if FEATURES[kind].sentences for column in own]


def _standard(strings):
    return [s.decode("utf-8") for s in standardize(strings).numpy().tolist()] if strings else []
