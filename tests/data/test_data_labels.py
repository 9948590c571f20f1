"""Labels become the arrays that losses take."""

import numpy as np
import pandas as pd
import pytest

from kerasfusion.data.column_roles import infer_columns
from kerasfusion.data.errors import DataError
from kerasfusion.data.labels import infer_problem_type, value_name, whole_number_notes
from kerasfusion.data.loading import load
from kerasfusion.data.table import read_table
from kerasfusion.data.tasks import encode_labels


def table(cells):
    return read_table(pd.DataFrame({"label": cells}))


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["yes", "no", "yes"], ("no", "yes")),
        (["Y", "N", "Y"], ("N", "Y")),
        ([1, 0, 1], ("0", "1")),
        ([1.0, -1.0, 1.0], ("-1", "1")),
        ([True, False, True], ("False", "True")),
        (["positive", "negative", "positive"], ("negative", "positive")),
        (["malignant", "benign", "malignant"], ("benign", "malignant")),
        ([10, 9, 10], ("9", "10")),
        (["dog", "cat", "dog"], ("cat", "dog")),
    ],
)
def test_binary(cells, classes):
    values, found = encode_labels(table(cells), "label", "binary")
    assert found == classes
    assert values.dtype == np.float32
    assert values.tolist() == [1.0, 0.0, 1.0]


def test_binary_missing_is_nan():
    values, _ = encode_labels(table(["yes", None, " ", "no"]), "label", "binary")
    np.testing.assert_array_equal(values, np.float32([1, np.nan, np.nan, 0]))


def test_classes_are_sorted_and_stripped():
    values, classes = encode_labels(table(["owl", "cat ", "dog", None, "cat"]), "label", "multiclass")
    assert classes == ("cat", "dog", "owl")
    assert values.dtype == np.int32
    assert values.tolist() == [2, 0, 1, -1, 0]


@pytest.mark.parametrize("cells", [["10", "9", "1"], [10, 9, 1], [10.0, 9.0, 1.0]])
def test_classes_of_numbers_are_sorted_as_numbers(cells):
    values, classes = encode_labels(table(cells), "label", "multiclass")
    assert classes == ("1", "9", "10")
    assert values.tolist() == [2, 1, 0]


def test_given_classes_keep_their_places():
    values, classes = encode_labels(table([9.0, 10.0]), "label", "multiclass", classes=("1", "9", "10"))
    assert values.tolist() == [1, 2]
    assert classes == ("1", "9", "10")
    values, _ = encode_labels(table(["no", "no"]), "label", "binary", classes=("no", "yes"))
    assert values.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_unknown_class_names_row_value_and_the_known(tmp_path, kind):
    path = tmp_path / "new.csv"
    path.write_text("label\nno\nmaybe\nmaybe\n", encoding="utf-8")
    message = r"new\.csv, row 2 \(line 3\), column 'label': unknown class 'maybe' \(2 row\(s\).* Known: no, yes"
    with pytest.raises(DataError, match=message):
        encode_labels(read_table(path), "label", kind, classes=("no", "yes"))


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_one_class_only(kind):
    with pytest.raises(DataError, match=r"DataFrame: only one class, 'cat', in column 'label': nothing to learn"):
        encode_labels(table(["cat", "cat", None]), "label", kind)


def test_binary_of_three():
    with pytest.raises(DataError, match=r"column 'label' has 3 values \(a, b, c\), so it is not binary"):
        encode_labels(table(["a", "b", "c"]), "label", "binary")


@pytest.mark.parametrize("cells", [[["b", "a"], ["c"], [], None], [np.array(["a", "b"]), ("c",), [None], None]])
def test_tags_in_lists(cells):
    values, classes = encode_labels(table(cells), "label", "multilabel")
    assert classes == ("a", "b", "c")
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.float32([[1, 1, 0], [0, 0, 1], [0, 0, 0], [np.nan] * 3]))


def test_tags_in_strings():
    values, classes = encode_labels(table(["b | a", "c;a;", None, "c"]), "label", "multilabel")
    assert classes == ("a", "b", "c")
    np.testing.assert_array_equal(values, np.float32([[1, 1, 0], [1, 0, 1], [np.nan] * 3, [0, 0, 1]]))


def test_tags_with_given_classes():
    values, _ = encode_labels(table(["x;y", "z"]), "label", "multilabel", classes=("x;y", "z"))
    np.testing.assert_array_equal(values, np.float32([[1, 0], [0, 1]]))
    with pytest.raises(DataError, match=r"DataFrame, row 2, column 'label': unknown class 'd' .* Known: a, b"):
        encode_labels(table(["a", "a|d"]), "label", "multilabel", classes=("a", "b"))


def test_tags_without_difference():
    with pytest.raises(DataError, match=r"every row of column 'label' has the same tags, \['a', 'b'\]"):
        encode_labels(table([["a", "b"], ["b", "a"]]), "label", "multilabel")


def test_numbers():
    values, classes = encode_labels(table([1, 2.5, None]), "label", "regression")
    assert classes == ()
    np.testing.assert_array_equal(values, np.float32([1, 2.5, np.nan]))
    assert encode_labels(table(["1", "2.5"]), "label", "regression")[0].tolist() == [1.0, 2.5]
    assert encode_labels(table([3, 3]), "label", "regression", classes=())[0].tolist() == [3.0, 3.0]


def test_bad_numbers():
    with pytest.raises(DataError, match=r"DataFrame, row 2, column 'label': 'tall' is not a finite number \(1 such"):
        encode_labels(table(["1", "tall"]), "label", "regression")
    with pytest.raises(DataError, match=r"only one value in column 'label': nothing to learn"):
        encode_labels(table([3, 3, None]), "label", "regression")


def test_value_name():
    assert [value_name(v) for v in (3, 3.0, 2.5, True, " a ")] == ["3", "3", "2.5", "True", "a"]


WHOLE = {
    "40 people with ten images each": ([i % 40 for i in range(400)], "multiclass"),
    "people as floats, some missing": ([float(i % 40) if i % 9 else None for i in range(400)], "multiclass"),
    "five rows per value": ([i % 40 for i in range(200)], "multiclass"),
    "fewer": ([i % 40 for i in range(199)], "regression"),
    "more than a thousand values": ([i % 1001 for i in range(6000)], "regression"),
    "counts": ([i * i // 3 for i in range(300)], "regression"),
    "years": ([1900 + i % 90 for i in range(120)], "regression"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_numbers_that_come_again_are_classes_and_the_note_says_how_to_change_it(case):
    cells, expected = WHOLE[case]
    frame = table(cells)
    found, reason = infer_problem_type(frame, "label")
    other = {"multiclass": "regression", "regression": "multiclass"}[expected]
    assert found == expected and f"give problem_type {other!r}" in reason
    columns = infer_columns(frame.assign(text="a b"), text="text", label="label")
    (note,) = whole_number_notes(frame, columns, None)
    assert f"is taken for {expected}" in note and f"--problem-type {other}" in note
    assert not whole_number_notes(frame, columns, expected)
    assert not whole_number_notes(frame, columns, {"label": expected})


def test_few_whole_numbers_need_no_note():
    for cells in ([1, 2, 3, 4, 5] * 4, [0.5, 1.25, 7.0] * 20, ["a", "b", "c"] * 4):
        frame = table(cells)
        columns = infer_columns(frame.assign(text="a b"), text="text", label="label")
        assert not whole_number_notes(frame, columns, None)


def test_a_loaded_table_says_how_its_numbers_were_taken():
    frame = pd.DataFrame({"text": [f"word {i % 7}" for i in range(120)], "label": [i % 24 for i in range(120)]})
    data = load(frame, text="text", image=[])
    assert data.schema.tasks[0].type == "multiclass" and len(data.schema.tasks[0].classes) == 24
    assert "24 distinct whole numbers in 120 rows and is taken for multiclass" in " ".join(data.notes)
    assert "whole numbers" not in " ".join(load(frame, text="text", image=[], problem_type="multiclass").notes)
