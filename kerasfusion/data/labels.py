"""Labels as a table has them -> what kind they are, and the arrays that losses take."""

import ast
import contextlib
import json

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.table import is_missing, whole_characters

# (negative, positive), lower case. Pairs of numbers need no entry: they are in the order of their size.
NATURAL_PAIRS = (
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("absent", "present"),
    ("off", "on"),
    ("normal", "abnormal"),
    ("healthy", "sick"),
    ("benign", "malignant"),
    ("ham", "spam"),
    ("incorrect", "correct"),
    ("wrong", "right"),
    ("bad", "good"),
)
MOST_CLASSES_OF_INTEGERS = 20


def label_kind(frame, column):
    """Tell from the cells what kind of label a column holds.

    Args:
        frame: A frame from `read_table`.
        column: The label's column.

    Returns:
        `(kind, reason)`: `"binary"`, `"classes"`, `"tags"` or `"number"`, and why, for people.

    Raises:
        DataError: The cells are of several types, look like free text, or are nothing that can be learnt.

    Example:
    ```python
    label_kind(pd.DataFrame({"species": ["cat", "dog", "owl"] * 5}), "species")
    # ("classes", "3 distinct strings")
    ```
    """
    series = frame[column]
    filled = series[~is_missing(series)]
    where = f"{source_of(frame)}, column {column!r}"
    if filled.empty:
        raise DataError(f"{where}: every cell is empty, so there is no label.")
    if filled.map(is_list).all():
        return "tags", "the cells are lists"
    content = pd.api.types.infer_dtype(filled)
    if content == "string":
        filled = filled.str.strip()
        if filled.map(lambda cell: written_list(cell) is not None).all():
            return "tags", "the cells are lists, written as text"
        numeric = pd.to_numeric(filled, errors="coerce").notna()
        # Some numbers among words are answers ("two" or "2"); a few words among numbers are slips of the pen.
        if 0.5 < numeric.mean() < 1:
            _refuse_mixture(frame, column, numeric)
        return _kind_of_strings(filled, where)
    if content == "boolean":
        return "binary", "the cells are true and false"
    if content in ("integer", "floating", "mixed-integer-float", "decimal"):
        read_numbers(frame, column)  # no label is infinite
        return _kind_of_numbers(filled.astype(float))
    numeric = filled.map(_is_number)
    if numeric.any() and not numeric.all():
        _refuse_mixture(frame, column, numeric)
    odd = filled[~filled.map(lambda v: isinstance(v, str))]
    value = odd.iloc[0]
    raise DataError(
        f"{place(frame, frame.index.get_loc(odd.index[0]), column)}: {short(value)} is a "
        f"{type(value).__name__}; a label is a string, a number or a list of strings."
    )


def encode_labels(frame, column, kind, classes=None):
    """Turn a label column into the array that the loss takes.

    Args:
        frame: A frame from `read_table`.
        column: The label's column.
        kind: `"binary"`, `"classes"`, `"tags"` or `"number"`.
        classes: Class names learnt from the training table, when this is another one. None: learn them here.

    Returns:
        `(values, classes)`. Binary: float32 (n,) and `(negative, positive)`. Classes: int32 (n,) and the
        sorted names. Tags: float32 (n, number of tags) of zeros and ones and the sorted names. Number:
        float32 (n,) and `()`. A missing label is NaN, in classes -1: `clean_rows` drops and counts these
        rows.

    Raises:
        DataError: A value does not fit the kind, a class is not among `classes`, or there is nothing to
            learn.

    Example:
    ```python
    encode_labels(pd.DataFrame({"answer": ["yes", "no", "no"]}), "answer", "binary")
    # (array([1., 0., 0.], dtype=float32), ("no", "yes"))
    ```
    """
    if kind == "number":
        return _encode_number(frame, column, learn=classes is None), ()
    if kind == "tags":
        return _encode_tags(frame, column, classes)
    codes, names = _factorize(frame[column])
    found = _sorted_names(set(names))
    if classes is None:
        classes = _natural_order(found) if kind == "binary" else found
        if len(found) < 2:
            one = f"only one class, {found[0]!r}," if found else "no label"
            raise DataError(f"{source_of(frame)}: {one} in column {column!r}: nothing to learn.")
        if kind == "binary" and len(found) > 2:
            raise DataError(
                f"{source_of(frame)}: column {column!r} has {len(found)} values "
                f"({_listed(found)}), so it is not binary. Use the label kind 'classes'."
            )
    place_of = {name: i for i, name in enumerate(classes)}
    _refuse_unknown(frame, column, codes, [[name] for name in names], place_of)
    # A code of -1 (missing) reads the last entry.
    if kind == "binary":
        return np.asarray([*(place_of[n] for n in names), np.nan], "float32")[codes], tuple(classes)
    return np.asarray([*(place_of[n] for n in names), -1], "int32")[codes], tuple(classes)


def read_numbers(frame, column):
    """The column as float64, NaN where a cell is missing.

    Raises:
        DataError: A filled cell is no finite number.
    """
    series = frame[column]
    missing = is_missing(series).to_numpy()
    values = pd.to_numeric(series.mask(missing), errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    wrong = np.flatnonzero(~missing & ~np.isfinite(values))
    if len(wrong):
        raise DataError(
            f"{place(frame, wrong[0], column)}: {short(series.iloc[wrong[0]])} is not a finite number "
            f"({len(wrong):,} such row(s)). Leave the cell empty where the number is missing."
        )
    return values


def value_name(value):
    """A label or text cell as a string: `3.0` and `3` are both `"3"`, strings lose the blanks around them.

    Half of a character, which broken JSON can hold, becomes the sign for one that is lost.
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return whole_characters(str(value).strip())


def is_list(value):
    return isinstance(value, (list, tuple, set, frozenset, np.ndarray))


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _to_float(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _listed(names, most=10):
    return ", ".join(names[:most]) + (f", … ({len(names):,} in all)" if len(names) > most else "")


def _kind_of_strings(filled, where):
    cells = filled.value_counts()
    if len(cells) == 2:
        return "binary", f"two distinct strings, {' and '.join(sorted(cells.index))}"
    several = filled[filled.str.contains(r"[|;]")]
    if len(several) >= max(2, 0.02 * len(filled)):
        tags = filled.str.split(r"\s*[|;]\s*", regex=True).explode().value_counts()
        # Tags come again in other company; the parts of a sentence do not.
        if tags.median() >= 2:
            return "tags", f"{len(several):,} cells hold several of {len(tags)} names, divided by | or ;"
    if len(cells) > 2 and len(cells) >= 0.9 * len(filled):
        raise DataError(
            f"{where}: looks like free text or an identifier, not a label: {len(cells):,} distinct values in "
            f"{len(filled):,} rows, such as {short(filled.iloc[0])}. Name the label's column (label=…, "
            "--label), or its kind ('classes', 'number', or 'caption' to learn to write it) if this is the one "
            "(label_kind=…, --label-kind)."
        )
    return "classes", f"{len(cells):,} distinct strings"


def _kind_of_numbers(filled):
    distinct = filled.nunique()
    if distinct == 2:
        return "binary", "two distinct numbers"
    if (filled % 1 != 0).any():
        return "number", f"{distinct:,} distinct numbers with fractions"
    if distinct <= MOST_CLASSES_OF_INTEGERS and distinct < len(filled):
        return "classes", f"{distinct} distinct whole numbers"
    return (
        "number",
        f"{distinct:,} distinct whole numbers; give the label kind 'classes' if they stand for classes",
    )


def _refuse_mixture(frame, column, numeric):
    """Raise, with an example of each side; `numeric` tells of each filled cell whether it is a number."""
    number, other = (frame.index.get_loc(side.index[0]) for side in (numeric[numeric], numeric[~numeric]))
    cells = frame[column]
    raise DataError(
        f"Column {column!r} holds both numbers and other values: {short(cells.iloc[number])} in "
        f"{place(frame, number)} and {short(cells.iloc[other])} in {place(frame, other)} "
        f"({numeric.sum():,} numbers, {(~numeric).sum():,} others). Mend the cells, or give the label kind "
        "'classes' if all of them are class names."
    )


def _factorize(series):
    """Per row the code of its value (-1: missing), and the values' names, several of which may be equal."""
    codes, uniques = pd.factorize(series.mask(is_missing(series)))
    return codes, [value_name(v) for v in uniques]


def _sorted_names(names):
    values = {name: _to_float(name) for name in names}
    if all(v is not None for v in values.values()):
        return tuple(sorted(names, key=lambda n: (values[n], n)))
    return tuple(sorted(names))


def _natural_order(names):
    for negative, positive in NATURAL_PAIRS:
        if sorted(n.lower() for n in names) == sorted((negative, positive)):
            return tuple(sorted(names, key=lambda n: n.lower() == positive))
    return names


def _refuse_unknown(frame, column, codes, names_of_cells, known):
    unknown = np.asarray([any(n not in known for n in names) for names in names_of_cells] + [False])
    positions = np.flatnonzero(unknown[codes])
    if len(positions):
        name = next(n for n in names_of_cells[codes[positions[0]]] if n not in known)
        raise DataError(
            f"{place(frame, positions[0], column)}: unknown class {name!r} ({len(positions):,} row(s) with "
            f"unknown classes). Known: {_listed(list(known))}. Mend or drop these rows, or train with them."
        )


def _encode_tags(frame, column, classes):
    series = frame[column]
    lists = series.map(is_list).to_numpy()
    # Lists cannot be hashed; tuples can. Their items are tags already, a string is still to be divided.
    cells = series.where(~lists, series.map(lambda v: tuple(v) if is_list(v) else v))
    codes, uniques = pd.factorize(cells.mask(is_missing(series)))
    tags = [_tags_of(cell, classes or ()) for cell in uniques]
    learn = classes is None
    if learn:
        classes = _sorted_names({tag for cell in tags for tag in cell})
    place_of = {name: i for i, name in enumerate(classes)}
    _refuse_unknown(frame, column, codes, tags, place_of)
    table = np.zeros((len(uniques) + 1, len(classes)), "float32")
    for row, cell in enumerate(tags):
        table[row, [place_of[tag] for tag in cell]] = 1
    table[-1] = np.nan
    if learn and not (len(uniques) and np.ptp(table[:-1], axis=0).any()):
        raise DataError(
            f"{source_of(frame)}: every row of column {column!r} has the same tags, "
            f"{list(classes)}: nothing to learn."
        )
    return table[codes], tuple(classes)


def written_list(cell):
    """The items of a list that is written as text: `["a", "b"]` as in JSON or `['a', 'b']` as pandas writes it."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError):
            return parse(cell)
    return None


def _tags_of(cell, classes):
    if isinstance(cell, tuple):
        parts = cell
    elif value_name(cell) in classes:
        parts = [cell]  # a known tag that holds the divider itself
    else:
        written = written_list(str(cell))
        parts = str(cell).replace(";", "|").split("|") if written is None else written
    names = [value_name(part) for part in parts if not pd.isna(part)]
    return sorted({name for name in names if name})


def _encode_number(frame, column, learn):
    values = read_numbers(frame, column)
    if learn and len(np.unique(values[~np.isnan(values)])) < 2:
        raise DataError(f"{source_of(frame)}: only one value in column {column!r}: nothing to learn.")
    return values.astype("float32")
