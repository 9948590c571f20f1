import csv
import functools
import os
import re
from pathlib import Path

import pandas as pd

from kerasfusion.data import DataError
from kerasfusion.data.table import read_table
from kerasfusion.evaluation.predict import predict_rows
from kerasfusion.reasoning import Rules, constrained_decode, read_rules, rules_from_table

# What OWASP lists as the beginnings of a formula. A cell may be empty, which is none of them.
_FORMULA_SIGNS = tuple("=+-@\t\r")
_NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?")


def predict(run, rows, image_dir=None, allow_external_paths=False, rules=None):
    """Predict one row, or every row of a table.

    Args:
        run: A `Run`.
        rows: A table (a file or a DataFrame) with the run's feature columns; or one row as a dict of `image`, a path,
            and `text`, a sentence. Either may be left out and counts as missing.
        image_dir: Folder that relative image paths of a table start from.
        allow_external_paths: Allow image paths of a table that leave that folder.
        rules: A file of rules that the predictions of a table's row satisfy together
            (`kf.reasoning.constrained_decode`): a text file, `.txt`, with one rule per line, or a table of facts
            about what its first column names (`kf.reasoning.rules_from_table`).

    Returns:
        pandas.DataFrame: of one row, as from `Run.predict`. Of a table, its columns as written (of a CSV file,
        strings: `1.50` stays `1.50`), then those of `Run.predict`; a name that is taken gets `predicted_`.

    Raises:
        DataError: The run takes no such input, or several of a kind; the image does not exist; or a column is
            missing.

    Example:

    ```python
    kf.workflows.predict(run, {"image": "a.jpg", "text": "a small brown dog"})
    kf.workflows.predict(run, "new.csv")
    ```
    """
    if isinstance(rows, dict):
        return _predict_row(run, **rows)
    frame = read_table(rows)
    as_written = read_table(rows, columns_hint=list(frame.columns))
    together = None if rules is None else functools.partial(constrained_decode, Rules(run.schema, _rules(rules)))
    predicted = predict_rows(run.model, run.schema, frame, image_dir, allow_external_paths, together)
    predicted.columns = untaken(predicted.columns, frame.columns)
    return pd.concat([as_written, predicted], axis=1)


def predictions_csv(frame, escape_formulas=False):
    """A table as the bytes of a CSV file: UTF-8, lines that end in LF, and every cell as it is.

    Args:
        frame: What `predict` returned.
        escape_formulas: Put `'` before text that a spreadsheet would run as a formula, which changes the data: cells
            and column names that begin with `=`, `+`, `-`, `@`, a tab or CR and are no number.

    Returns:
        bytes

    Example:

    ```python
    Path("predicted.csv").write_bytes(predictions_csv(predict(run, "new.csv")))
    ```
    """
    if escape_formulas:
        frame = frame.map(_without_formula).rename(columns=_without_formula)
    # Python's writer leaves a lone CR unquoted, and a reader would take it for the end of the row.
    has_cr = any("\r" in cell for column in frame for cell in (column, *frame[column]) if isinstance(cell, str))
    quoting = csv.QUOTE_NONNUMERIC if has_cr else csv.QUOTE_MINIMAL
    return frame.to_csv(index=False, lineterminator="\n", quoting=quoting).encode("utf-8", "surrogatepass")


def _predict_row(run, image=None, text=None):
    # What is not given is missing.
    row = dict.fromkeys(column for feature in run.schema.features for column in feature.columns)
    # An image that is named one by one may lie anywhere; those of a table are held to its folder.
    image = None if image is None else os.path.abspath(image)
    for kind, value in (("image", image), ("text", text)):
        features = run.schema.of_kind(kind)
        if value is not None and len(features) != 1:
            raise DataError(f"The run has {len(features)} {kind} inputs; predict a table instead.")
        row.update({feature.columns[0]: None if value is None else str(value) for feature in features})
    if image is None and text is None:
        raise DataError("Pass an image (--image), a sentence (--text), both, or a table.")
    return run.predict(pd.DataFrame([row]))


def _without_formula(cell):
    is_formula = isinstance(cell, str) and cell[:1] in _FORMULA_SIGNS and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def untaken(names, taken):
    """The names, each after as many `predicted_` as make it new."""
    found = []
    for name in names:
        while name in taken or name in found:
            name = f"predicted_{name}"
        found.append(name)
    return found


def _rules(path):
    if Path(path).suffix == ".txt":
        return read_rules(path)
    table = read_table(path)
    return rules_from_table(table, key=table.columns[0])
