"""Tables are read whole, and what is wrong with one is named with its file, row and line."""

import json

import numpy as np
import pandas as pd
import pytest

from kerasfusion.data.errors import DataError, place
from kerasfusion.data.table import is_missing, read_table


def write(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_csv_blank_cells_are_missing_and_leave_a_column_numeric(tmp_path):
    frame = read_table(write(tmp_path, "a.csv", 'text,age,empty\n" ",1,\nb, ,\nc,3,\n'))
    assert frame.isna().to_numpy().tolist() == [
        [True, False, True],
        [False, True, True],
        [False, False, True],
    ]
    assert frame["age"].dtype == "float64"


def test_csv_words_stay_words_and_numbers_become_numbers(tmp_path):
    path = write(tmp_path, "pets.csv", "photo,text,label,weight\na.png,NA,1,2.5\nb.png,None,2,\nc.png,null,3,4\n")
    frame = read_table(path)
    assert frame["text"].tolist() == ["NA", "None", "null"]
    assert frame["label"].tolist() == [1, 2, 3]
    assert frame["label"].dtype == "int64"
    assert frame["weight"].iloc[[0, 2]].tolist() == [2.5, 4.0]
    assert np.isnan(frame["weight"].iloc[1])
    assert frame.attrs == {"source": "pets.csv", "folder": str(tmp_path), "line_offset": 1}


def test_csv_tolerates_a_byte_order_mark_blank_lines_and_windows_line_ends(tmp_path):
    frame = read_table(write(tmp_path, "a.csv", "\ufefftext,label\r\nGrüße,x\r\n\r\nb,y\r\n"))
    assert list(frame.columns) == ["text", "label"]
    assert frame["text"].tolist() == ["Grüße", "b"]
    assert frame.attrs["line_offset"] is None  # the blank line puts rows and lines out of step


def test_csv_cells_with_commas_and_line_breaks(tmp_path):
    frame = read_table(write(tmp_path, "a.csv", 'text,label\n"one, ""two""\nthree",x\n'))
    assert frame["text"].tolist() == ['one, "two"\nthree']
    assert frame.attrs["line_offset"] is None


@pytest.mark.parametrize(("name", "text"), [("a.csv", "text;label\na,b;x\n"), ("a.tsv", "text\tlabel\na,b\tx\n")])
def test_other_dividers(tmp_path, name, text):
    assert read_table(write(tmp_path, name, text)).to_dict("records") == [{"text": "a,b", "label": "x"}]


def test_csv_codes_and_hinted_columns_stay_as_written(tmp_path):
    path = write(tmp_path, "a.csv", "zip,long,text,label\n007,12345678901234567890,1.50,1\n123,1,2,0\n")
    frame = read_table(path, columns_hint=["text", "not there"])
    assert frame["zip"].tolist() == ["007", "123"]
    assert frame["long"].tolist() == ["12345678901234567890", "1"]
    assert frame["text"].tolist() == ["1.50", "2"]
    assert read_table(path)["text"].tolist() == [1.5, 2.0]


def test_csv_cell_longer_than_pythons_limit(tmp_path):
    frame = read_table(write(tmp_path, "a.csv", f"image,label\n{'A' * 200_000},x\n"))
    assert len(frame["image"].iloc[0]) == 200_000


def test_csv_written_with_its_index(tmp_path):
    pd.DataFrame({"text": ["a"], "label": ["x"]}).to_csv(tmp_path / "a.csv")
    assert list(read_table(tmp_path / "a.csv").columns) == ["Unnamed: 0", "text", "label"]


def test_jsonl_keeps_types_and_line_separators_in_strings(tmp_path):
    lines = [
        {"text": "a\u2028b", "n": 1, "tags": ["x", "y"], "age": "65"},
        {"text": None, "n": 2.5, "date": "2020"},
    ]
    frame = read_table(write(tmp_path, "a.jsonl", "\n".join(json.dumps(x, ensure_ascii=False) for x in lines)))
    assert frame["text"].iloc[0] == "a\u2028b"
    assert frame["text"].isna().tolist() == [False, True]
    assert frame["n"].tolist() == [1.0, 2.5]
    assert frame["tags"].iloc[0] == ["x", "y"]
    assert frame["age"].iloc[0] == "65"
    assert frame["date"].iloc[1] == "2020"
    assert frame.attrs["line_offset"] == 0


def test_json_and_parquet(tmp_path):
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    assert read_table(write(tmp_path, "a.json", json.dumps(rows))).to_dict("records") == rows
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(rows).assign(label=lambda f: f["label"].astype("category"), image=[b"\x89PNG", b""])
    frame.to_parquet(tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read["label"].dtype == "int64"
    assert read["image"].tolist() == [b"\x89PNG", b""]


def test_data_frame_is_not_changed_and_is_renumbered(tmp_path):
    given = pd.DataFrame({" text": ["a", "b"], 7: pd.array([1, None], dtype="Int64")}, index=[10, 20])
    frame = read_table(given)
    assert list(frame.columns) == ["text", "7"]
    assert frame.index.tolist() == [0, 1]
    assert frame["7"].dtype == "float64"
    assert frame.attrs["source"] == "DataFrame"
    assert list(given.columns) == [" text", 7]
    again = read_table(read_table(write(tmp_path, "a.csv", "text,label\na,x\n")))
    assert again.attrs["folder"] == str(tmp_path)


def test_place_names_the_files_row_after_filtering(tmp_path):
    frame = read_table(write(tmp_path, "pets.csv", "text,label\na,x\nb,y\nc,z\n"))[1:]
    assert place(frame, 1, "label") == "pets.csv, row 3 (line 4), column 'label'"


def test_is_missing():
    cells = pd.Series([None, np.nan, " ", "", b"", {"bytes": None, "path": None}, "a", b"x", {"bytes": b"x"}, [], 0])
    assert is_missing(cells).tolist() == [True] * 6 + [False] * 5
    assert is_missing(pd.Series(["a", " ", None])).tolist() == [False, True, True]
    assert is_missing(pd.Series([1.0, np.nan])).tolist() == [False, True]


def test_file_not_found_suggests_near_names(tmp_path):
    write(tmp_path, "pets.csv", "text,label\na,x\n")
    with pytest.raises(DataError, match=r"pest\.csv does not exist\. Did you mean pets\.csv\?"):
        read_table(tmp_path / "pest.csv")
    with pytest.raises(DataError, match=r"Nor does its folder .*nowhere"):
        read_table(tmp_path / "nowhere" / "pets.csv")
    with pytest.raises(DataError, match=r"is a folder\. Give the table in it: pets\.csv"):
        read_table(tmp_path)


BAD_FILES = {
    "empty": ("a.csv", "", r"a\.csv is empty \(0 bytes\)"),
    "blank": ("a.csv", "\n \n", r"a\.csv is empty: blank lines only"),
    "empty header": ("a.csv", '""\n', r"a\.csv has a header \(\) but no rows"),
    "header only": ("a.csv", "text,label\n", r"a\.csv has a header \(text, label\) but no rows"),
    "too many cells": (
        "a.csv",
        "text,label\na,x\nb,y,z\n",
        r"a\.csv, row 2 \(line 3\): 3 cells where .* has 2",
    ),
    "too few cells": (
        "a.csv",
        'text,label\n"a\nb",x\nb\n',
        r"a\.csv, row 2 \(line 4\): 1 cells where .* has 2",
    ),
    "open quote": (
        "a.csv",
        'text,label\na,x\n"b,y\nc,z\n',
        r"a\.csv, row 2 \(line 3\): a quoted cell is not closed",
    ),
    "duplicate columns": (
        "a.csv",
        "text,label, text\na,x,b\n",
        r"a\.csv: the column name\(s\) \['text'\] appear more",
    ),
    "ending": ("a.xlsx", "x", r"a\.xlsx: unknown table ending '\.xlsx'. Supported: \.csv, \.tsv, \.jsonl"),
    "jsonl line": (
        "a.jsonl",
        '{"a": 1}\n\n{"a": \n',
        r"a\.jsonl, line 3: not JSON \(Expecting value at character",
    ),
    "jsonl list": ("a.jsonl", "[1]\n", r"a\.jsonl, line 1: not a JSON object but list"),
    "jsonl as json": ("a.json", '{"a": 1}\n{"a": 2}\n', r"a\.json, line 2: not JSON .* name it \.jsonl"),
    "json object": ("a.json", '{"a": 1}', r"a\.json must hold a list of objects"),
    "json row": ("a.json", '[{"a": 1}, 2]', r"a\.json, row 2: not a JSON object but int"),
    "json no rows": ("a.json", "[]", r"a\.json has no rows"),
    "parquet": ("a.parquet", "not parquet", r"a\.parquet cannot be read as Parquet"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(tmp_path, case):
    name, text, message = BAD_FILES[case]
    if case == "parquet":
        pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, name, text))


def test_not_utf8_names_the_line(tmp_path):
    message = r"a\.csv, line 3: not UTF-8 text \(byte 0xFC\)\. If 'Grüße,y' reads right, .* Windows-1252 or Latin-1"
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, "a.csv", "text,label\na,x\nGrüße,y\n", encoding="latin-1"))


def test_bad_sources():
    with pytest.raises(DataError, match="DataFrame has no rows"):
        read_table(pd.DataFrame({"a": []}))
    with pytest.raises(DataError, match="not list"):
        read_table([1, 2])
