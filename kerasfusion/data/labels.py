"""Labels as a table has them -> their problem type, and the arrays that losses take."""

import ast
import contextlib
import datetime
import decimal
import fractions
import json
import uuid
import warnings

import numpy as np
import pandas as pd

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.table import is_missing, whole_characters
from kerasfusion.problem_types import TYPES

# Whole numbers stand for classes if they come again often enough: up to 20 of them in twice as many rows, up to 1,000
# (40 people with ten images each) in five times as many. Counts and prices have nearly as many values as rows.
FEW_INTEGERS, MOST_INTEGERS = 20, 1_000
ROWS_PER_FEW, ROWS_PER_INTEGER = 2, 5
# The longest list written as Python that is read; longer ones must be JSON.
LONGEST_WRITTEN = 100_000
# Numbers are learned from in 32 bits.
LARGEST_NUMBER = float(np.finfo("float32").max)
# What pandas calls columns of numbers.
_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
# Python writes no integer of more digits than 4,300.
_MOST_BITS = 14_000
_VALUES = (
    str, int, float, complex, decimal.Decimal, fractions.Fraction, uuid.UUID, pd.Period, pd.Interval,
    datetime.date, datetime.time, datetime.timedelta, np.number, np.bool_, np.datetime64,
)  # fmt: skip


def infer_problem_type(frame, column):
    """Tell from the cells which type of task a label column makes.

    Args:
        frame: A frame from `read_table`.
        column: The label's column.

    Returns:
        `(problem_type, reason)`: `"binary"`, `"multiclass"`, `"multilabel"` or `"regression"`, and why, for people.

    Raises:
        DataError: The cells are of several types, look like free text, or are nothing that can be learnt.

    Example:
    ```python
    infer_problem_type(pd.DataFrame({"species": ["cat", "dog", "owl"] * 5}), "species")
    # ("multiclass", "3 distinct strings")
    ```
    """
    series = frame[column]
    filled = series[~is_missing(series)]
    where = f"{source_of(frame)}, column {column!r}"
    if filled.empty:
        raise DataError(f"{where}: every cell is empty, so there is no label.")
    if filled.map(is_list).all():
        return "multilabel", "the cells are lists"
    content = pd.api.types.infer_dtype(filled)
    if content == "string":
        filled = filled.str.strip()
        if filled.map(lambda cell: written_list(cell) is not None).all():
            return "multilabel", "the cells are lists, written as text"
        numeric = pd.to_numeric(filled, errors="coerce").notna()
        # Some numbers among words are answers ("two" or "2"); a few words among numbers are slips of the pen.
        if 0.5 < numeric.mean() < 1:
            _refuse_mixture(frame, column, numeric)
        return _type_of_strings(filled, where)
    if content == "boolean":
        return "binary", "the cells are true and false"
    if content in _NUMBERS:
        return _type_of_numbers(pd.Series(read_numbers(frame, column)).dropna())
    numeric = filled.map(_is_number)
    if numeric.any() and not numeric.all():
        _refuse_mixture(frame, column, numeric)
    odd = filled[~filled.map(lambda v: isinstance(v, str))]
    value = odd.iloc[0]
    raise DataError(
        f"{place(frame, frame.index.get_loc(odd.index[0]), column)}: {short(value)} is a "
        f"{type(value).__name__}; a label is a string, a number or a list of strings."
    )


def read_numbers(frame, column):
    """The column as float64, NaN where a cell is missing.

    Raises:
        DataError: A filled cell is no finite number.
    """
    series = frame[column]
    missing = is_missing(series).to_numpy()
    cells = series.mask(missing)
    if not (cells.dtype.kind in "biuf" or isinstance(cells.dtype, pd.StringDtype)):
        cells = pd.Series([_number_or_text(cell) for cell in cells], index=cells.index, dtype=object)
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    wrong = np.flatnonzero(~missing & ~(np.abs(values) <= LARGEST_NUMBER))
    if len(wrong):
        value = values[wrong[0]]
        what = "is too large (over 3.4e38 in size)" if np.isfinite(value) else "is not a finite number"
        raise DataError(
            f"{place(frame, wrong[0], column)}: {short(series.iloc[wrong[0]])} {what} "
            f"({len(wrong):,} such row(s)). Leave the cell empty where the number is missing."
        )
    return values


def is_value(cell):
    """Whether a cell is one thing that can be named: a string, number or date; no list, bytes or other object."""
    if isinstance(cell, int):
        return cell.bit_length() <= _MOST_BITS
    return isinstance(cell, _VALUES) and not isinstance(cell, np.timedelta64)


def check_values(frame, column, what):
    """Raise a `DataError` that names the first filled cell of a column which is not one string, number or date.

    Args:
        frame: A frame from `read_table`.
        column: One of its columns.
        what: What the column is, for the message: "a group".
    """
    series = frame[column]
    if series.dtype != object:
        return
    strange = ~(series.map(is_value).to_numpy(bool) | is_missing(series).to_numpy())
    if strange.any():
        position = np.argmax(strange)
        value = series.iloc[position]
        raise DataError(
            f"{place(frame, position, column)}: {what} is one string or number, not a {type(value).__name__} "
            f"({short(value)}), in {strange.sum():,} row(s). Write one value into each cell."
        )


def value_name(value):
    """A label or text cell as a string: `3.0` and `3` are both `"3"`, strings lose the blanks around them.

    Half of a character, which broken JSON can hold, becomes the sign for one that is lost.
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return whole_characters(str(value).strip())


def is_list(value):
    return isinstance(value, (list, tuple, set, frozenset)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _number_or_text(cell):
    """A cell as a float, a string as it is, None if it is neither."""
    if isinstance(cell, str):
        return cell
    if not isinstance(cell, (int, float, decimal.Decimal, fractions.Fraction, np.number, np.bool_)):
        return None
    try:
        return None if isinstance(cell, (np.complexfloating, np.timedelta64)) else float(cell)
    except (OverflowError, ValueError):
        return np.inf


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _to_float(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def listed_names(names, most=10):
    shown = ", ".join(name if len(name) <= 60 else name[:57] + "…" for name in names[:most])
    return shown + (f", … ({len(names):,} in all)" if len(names) > most else "")


def _type_of_strings(filled, where):
    cells = filled.value_counts()
    if len(cells) == 2:
        return "binary", f"two distinct strings, {listed_names(sorted(cells.index)).replace(', ', ' and ')}"
    several = filled[filled.str.contains(r"[|;]")]
    if len(several) >= max(2, 0.02 * len(filled)):
        tags = filled.str.split(r"[|;]", regex=True).explode().str.strip().value_counts()
        # Tags come again in other company; the parts of a sentence do not.
        if tags.median() >= 2:
            return "multilabel", f"{len(several):,} cells hold several of {len(tags)} names, divided by | or ;"
    if len(cells) > 2 and len(cells) >= 0.9 * len(filled):
        raise DataError(
            f"{where}: looks like free text or an identifier, not a label: {len(cells):,} distinct values in "
            f"{len(filled):,} rows, such as {short(filled.iloc[0])}. Name the label's column (label=…, "
            "--label), or its type ('multiclass', 'regression', or 'captioning' to learn to write it) if this is the "
            "one (problem_type=…, --problem-type)."
        )
    return "multiclass", f"{len(cells):,} distinct strings"


def _type_of_numbers(filled):
    distinct = filled.nunique()
    if distinct == 2:
        return "binary", "two distinct numbers"
    if (filled % 1 != 0).any():
        return "regression", f"{distinct:,} distinct numbers with fractions"
    if distinct <= FEW_INTEGERS and distinct * ROWS_PER_FEW <= len(filled):
        return "multiclass", f"{distinct} distinct whole numbers"
    found = f"{distinct:,} distinct whole numbers in {len(filled):,} rows"
    if distinct <= MOST_INTEGERS and distinct * ROWS_PER_INTEGER <= len(filled):
        return "multiclass", f"{found}; give problem_type 'regression' if they count or measure something"
    return "regression", f"{found}; give problem_type 'multiclass' if they stand for classes"


def whole_number_notes(frame, columns, given):
    """Sentences on labels of many whole numbers, which may be classes or quantities.

    Args:
        frame: A frame from `clean_rows`.
        columns: Its `ColumnRoles`.
        given: `problem_type` as `kf.data.load` has it; of what was given nothing is said.

    Returns:
        list of str.
    """
    notes = []
    for column, type_ in columns.labels.items():
        told = given.get(column) if isinstance(given, dict) else given
        filled = frame[column].dropna()
        if told is not None or pd.api.types.infer_dtype(filled) not in _NUMBERS:
            continue
        distinct, is_number = filled.nunique(), TYPES[type_].labels == "number"
        if (is_number or distinct > FEW_INTEGERS) and not (filled.astype(float) % 1).any():
            other, meaning = ("multiclass", "stand for classes") if is_number else ("regression", "count something")
            notes.append(
                f"Label {column!r} has {distinct:,} distinct whole numbers in {len(filled):,} rows and is taken for "
                f"{type_}. If they {meaning}: --problem-type {other} (problem_type={other!r})."
            )
    return notes


def _refuse_mixture(frame, column, numeric):
    """Raise, with an example of each side; `numeric` tells of each filled cell whether it is a number."""
    number, other = (frame.index.get_loc(side.index[0]) for side in (numeric[numeric], numeric[~numeric]))
    cells = frame[column]
    raise DataError(
        f"Column {column!r} holds both numbers and other values: {short(cells.iloc[number])} in "
        f"{place(frame, number)} and {short(cells.iloc[other])} in {place(frame, other)} "
        f"({numeric.sum():,} numbers, {(~numeric).sum():,} others). Mend the cells, or give problem_type "
        "'multiclass' if all of them are class names."
    )


def factorize_names(series):
    """Per row the code of its value (-1: missing), and the values' names, several of which may be equal."""
    codes, uniques = pd.factorize(series.mask(is_missing(series)))
    return codes, [value_name(v) for v in uniques]


def sorted_names(names):
    values = {name: _to_float(name) for name in names}
    if all(v is not None for v in values.values()):
        return tuple(sorted(names, key=lambda n: (values[n], n)))
    return tuple(sorted(names))


def refuse_unknown(frame, column, codes, names_of_cells, known):
    unknown = np.asarray([any(n not in known for n in names) for names in names_of_cells] + [False])
    positions = np.flatnonzero(unknown[codes])
    if len(positions):
        name = next(n for n in names_of_cells[codes[positions[0]]] if n not in known)
        raise DataError(
            f"{place(frame, positions[0], column)}: unknown class {short(name)} ({len(positions):,} row(s) with "
            f"unknown classes). Known: {listed_names(list(known))}. Mend or drop these rows, or train with them."
        )


def written_list(cell):
    """The items of a list that is written as text: `["a", "b"]` as in JSON or `['a', 'b']` as pandas writes it."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    # What these raise on text that they cannot read.
    unread = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
    with contextlib.suppress(*unread):
        return json.loads(cell)
    with contextlib.suppress(*unread), warnings.catch_warnings():
        # Python would warn that "\d" is no escape, and cannot know that this is no program.
        warnings.simplefilter("ignore")
        return ast.literal_eval(cell) if len(cell) <= LONGEST_WRITTEN else None
    return None
