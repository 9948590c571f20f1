"""Unusable rows are dropped, counted and shown."""

import numpy as np
import pandas as pd
import pytest

from kerasfusion.data.clean import SkippedRows, clean_rows, duplicates_across_splits
from kerasfusion.data.column_roles import ColumnRoles
from kerasfusion.data.errors import DataError
from kerasfusion.data.table import read_table


def table(**columns):
    return read_table(pd.DataFrame(columns))


COLUMNS = ColumnRoles({"image": ("photo",), "text": ("text",)}, labels={"label": "multiclass"})


def test_rows_are_stripped_dropped_and_counted():
    frame, skipped = clean_rows(
        table(
            photo=["a.png", " b.png ", None, "", "c.png", "d.png"],
            text=[" hello ", "  ", "only text", " ", "x", "y"],
            label=["cat", " dog", "cat", "dog", None, "\t"],
        ),
        COLUMNS,
    )
    assert frame.index.tolist() == [0, 1, 2]
    assert frame["photo"].tolist()[:2] == ["a.png", "b.png"]
    assert frame["photo"].isna().tolist() == [False, False, True]
    assert frame["text"].isna().tolist() == [False, True, False]
    assert frame["text"].iloc[0] == "hello"
    assert frame["label"].tolist() == ["cat", "dog", "cat"]
    assert frame.attrs["source"] == "DataFrame"
    assert skipped.counts == {"label missing": 2, "every input missing": 1}
    assert skipped.total == 3
    assert [row for row, _, _ in skipped.examples["label missing"]] == [5, 6]
    assert skipped.examples["label missing"][1] == (6, "label", "\t")


def test_nothing_to_skip():
    frame, skipped = clean_rows(table(photo=["a.png"], text=["x"], label=["cat"]), COLUMNS)
    assert len(frame) == 1
    assert not skipped
    assert str(skipped) == "0 rows"


def test_numeric_text_and_string_numbers():
    columns = ColumnRoles({"text": ("text",), "numeric": ("age", "weight")}, labels={"label": "regression"})
    frame, skipped = clean_rows(
        table(text=[1.0, np.nan, 2.5], age=["65", "", " 7"], weight=[1, 2, 3], label=[1, 2, 3]), columns
    )
    assert frame["text"].tolist()[::2] == ["1", "2.5"]
    np.testing.assert_array_equal(frame["age"], [65.0, np.nan, 7.0])
    assert frame["weight"].dtype == "float64"
    assert not skipped  # row 2 has its numbers


def test_lists_and_bytes_are_left_alone():
    columns = ColumnRoles({"image": ("photo",)}, labels={"label": "multilabel"})
    frame, skipped = clean_rows(
        table(photo=[b"x", {"bytes": b"x"}, b"", b"y"], label=[["a"], [], ["b"], ["b"]]), columns
    )
    assert frame["photo"].tolist() == [b"x", {"bytes": b"x"}, b"y"]
    assert frame["label"].tolist() == [["a"], [], ["b"]]
    assert skipped.counts == {"every input missing": 1}


def test_a_row_counts_once():
    columns = ColumnRoles({"text": ("text",)}, labels={"a": "multiclass", "b": "multiclass"})
    _, skipped = clean_rows(
        table(text=["x", "x", None, "x"], a=["1", None, None, "1"], b=["1", None, "1", "2"]), columns
    )
    assert skipped.counts == {"label missing": 2}
    assert skipped.examples["label missing"][0][:2] == (2, "a")


def test_more_than_half_is_an_error():
    with pytest.raises(DataError) as caught:
        clean_rows(table(photo=["a"] * 3, text=["b"] * 3, label=["x", "", " "]), COLUMNS)
    assert str(caught.value) == (
        "DataFrame: 2 of 3 rows cannot be used, so something is wrong with the table or with the choice of "
        "its columns.\n2 rows:\n  2 x label missing: row 2, column 'label' (''); row 3, column 'label' (' ')"
    )


def test_skipped_adds_up():
    one = SkippedRows({"x": 2}, {"x": [(1, "c", "u"), (2, "c", "v")]})
    two = SkippedRows({"x": 3, "y": 1}, {"x": [(3, "c", "w"), (4, "c", "w")], "y": [(9, "d", 0)]})
    both = one + two
    assert both.counts == {"x": 5, "y": 1}
    assert both.examples == {"x": [(1, "c", "u"), (2, "c", "v"), (3, "c", "w")], "y": [(9, "d", 0)]}
    assert both.total == 6
    assert one.total == 2
    assert str(two + SkippedRows({"z": 1})) == (
        "5 rows:\n  3 x x: row 3, column 'c' ('w'); row 4, column 'c' ('w')\n  1 x y: row 9, column 'd' (0)\n  1 x z"
    )


def test_duplicates_across_splits():
    frame = table(
        photo=["a.png", "a.png", "b.png", None, "a.png", None, "a.png"],
        text=["x", "y", "x", "z", "x", "z", "y"],
        label=["0"] * 7,
    )
    splits = {"train": np.array([0, 1, 3]), "validation": np.array([2, 5]), "test": np.array([4, 6])}
    assert duplicates_across_splits(frame, COLUMNS, splits) == [
        "validation: 1 row(s) have the same 'photo' and 'text' as a training row (row 6 and row 4). "
        "Scores may be too good.",
        "test: 2 row(s) have the same 'photo' and 'text' as a training row (row 5 and row 1). "
        "Scores may be too good.",
    ]
    numbers_only = ColumnRoles({"numeric": ("n",)}, labels={"label": "multiclass"})
    assert duplicates_across_splits(frame, numbers_only, splits) == []


def test_duplicates_of_images_as_bytes():
    frame = table(photo=[{"bytes": b"x"}, {"bytes": b"y"}, {"bytes": b"x"}], label=["0", "1", "0"])
    columns = ColumnRoles({"image": ("photo",)}, labels={"label": "multiclass"})
    splits = {"train": np.array([0]), "validation": np.array([1]), "test": np.array([2])}
    assert duplicates_across_splits(frame, columns, splits) == [
        "test: 1 row(s) have the same 'photo' as a training row (row 3 and row 1). Scores may be too good."
    ]
