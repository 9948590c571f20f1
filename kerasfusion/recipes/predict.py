import functools
import os
from pathlib import Path

import pandas as pd

from kerasfusion.data import DataError
from kerasfusion.data.table import read_table
from kerasfusion.evaluation.predict import predict_rows
from kerasfusion.reasoning import Rules, decode, facts, read_rules


def predict_one(run, image=None, text=None):
    """Predict one row from a picture's path and a sentence; either may be left out and counts as missing.

    Args:
        run: A `Run`.
        image: Path of a picture.
        text: A sentence.

    Returns:
        pandas.DataFrame: one row, as from `Run.predict`.

    Raises:
        DataError: the run takes no such input, or several of a kind, or the picture does not exist.
    """
    row = {}
    # A picture that is named one by one may lie anywhere; those of a table are held to its folder.
    image = None if image is None else os.path.abspath(image)
    for kind, value in (("image", image), ("text", text)):
        features = run.schema.of_kind(kind)
        if value is not None and len(features) != 1:
            raise DataError(f"The run has {len(features)} {kind} inputs; predict a table instead.")
        row.update({feature.columns[0]: None if value is None else str(value) for feature in features})
    row.update({column: float("nan") for feature in run.schema.of_kind("numbers") for column in feature.columns})
    if image is None and text is None:
        raise DataError("Pass a picture (--image), a sentence (--text), both, or a table.")
    return run.predict(pd.DataFrame([row]))


def predict_table(run, table, image_dir=None, allow_outside=False, rules=None):
    """A table with the predictions beside its own columns.

    Args:
        run: A `Run`.
        table: A table file with the run's feature columns.
        image_dir: Folder that relative image paths start from.
        allow_outside: Allow image paths that leave that folder.
        rules: A file of rules that the answers of a row obey together (`kf.reasoning.decode`): a text file, `.txt`,
            with a rule in each line, or a table of facts about what its first column names (`kf.reasoning.facts`).

    Returns:
        pandas.DataFrame: the table's columns, then those of `Run.predict`; a name that is taken gets `predicted_`.
    """
    frame = read_table(table)
    together = None if rules is None else functools.partial(decode, Rules(run.schema, _rules(rules)))
    predicted = predict_rows(run.model, run.schema, frame, image_dir, allow_outside, together)
    predicted = predicted.rename(columns={c: f"predicted_{c}" for c in predicted.columns if c in frame.columns})
    return pd.concat([frame.reset_index(drop=True), predicted], axis=1)


def _rules(path):
    if Path(path).suffix == ".txt":
        return read_rules(path)
    table = read_table(path)
    return facts(table, key=table.columns[0])
