"""Column roles: found, said aloud, and never guessed among several."""

import numpy as np
import pandas as pd
import pytest

from kerasfusion.data.column_roles import infer_columns
from kerasfusion.data.errors import DataError
from kerasfusion.data.table import read_table

PNG = b"\x89PNG\r\n\x1a\n"


def pets(rows=12, **more):
    """A table with one column of each kind, `rows` long."""
    columns = {
        "id": [f"p{i}" for i in range(rows)],
        "photo": [f"{i}.png" for i in range(rows)],
        "description": [f"a small pet number {i}" for i in range(rows)],
        "age": list(range(rows)),
        "species": [("cat", "dog", "owl")[i % 3] for i in range(rows)],
    }
    return read_table(pd.DataFrame({**columns, **more}))


def test_roles_are_found_with_reasons():
    columns = infer_columns(pets(split=["train"] * 9 + ["Val", "test", "test"]))
    assert columns.of_kind("image") == ("photo",)
    assert columns.of_kind("text") == ("description",)
    assert columns.of_kind("numeric") == ()
    assert columns.labels == {"species": "multiclass"}
    assert (columns.split, columns.group, columns.slice_by) == ("split", None, None)
    assert columns.features == ("photo", "description")
    assert columns.reasons == {
        "image": "inferred: 100 % of cells end in .png",
        "text": "inferred: 5.0 words on average, 12 distinct",
        "label": "inferred: named 'species'",
        "problem_type": "species is multiclass: inferred: 3 distinct strings",
        "split": "inferred: holds only test, train, val",
        "numeric": "none: numeric columns are used only when named (numeric=…)",
        "categorical": "none: categorical columns are used only when named (categorical=…)",
        "boxes": "none: boxes columns are used only when named (boxes=…)",
        "video": "none: video columns are used only when named (video=…)",
        "signal": "none: signal columns are used only when named (signal=…)",
    }


def test_roles_can_be_given():
    columns = infer_columns(
        pets(),
        image=[],
        text="id, description",
        numeric="age",
        label="species",
        split="photo",
        group="id",
        slice_by="id",
    )
    assert columns.of_kind("image") == ()
    assert columns.of_kind("text") == ("id", "description")
    assert columns.of_kind("numeric") == ("age",)
    assert (columns.split, columns.group, columns.slice_by) == ("photo", "id", "id")
    assert columns.reasons["text"] == "given"
    assert columns.reasons["image"] == "none, as given"


def test_a_image_column_that_also_groups_is_found():
    columns = infer_columns(pets(), group="photo")
    assert (columns.of_kind("image"), columns.group) == (("photo",), "photo")


def test_a_column_with_a_comma_in_its_name():
    assert infer_columns(pets(**{"a, b": ["x y z"] * 12}), text="a, b").of_kind("text") == ("a, b",)


def test_text_is_the_long_and_varied_column():
    more = {"licence": ["Creative Commons Attribution Share Alike 4.0 International"] * 6 + ["All rights"] * 6}
    assert infer_columns(pets(**more)).of_kind("text") == ("description",)


def test_one_word_texts_only_by_name():
    frame = pets().drop(columns="description")
    assert infer_columns(frame).of_kind("text") == ()
    assert infer_columns(frame.rename(columns={"id": "Text"})).of_kind("text") == ("Text",)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([PNG] * 12, "the cells are encoded images"),
        ([{"bytes": PNG, "path": None}] * 12, "the cells hold images as {'bytes': …}"),
        (["data:image/png;base64,AAAA"] * 12, "100 % of cells are images in base64"),
        (["a.JPG"] * 10 + ["b.webp", None], "100 % of cells end in .jpg/.webp"),
    ],
)
def test_image_cells(cells, reason):
    columns = infer_columns(pets(photo=cells))
    assert columns.of_kind("image") == ("photo",)
    assert columns.reasons["image"] == f"inferred: {reason}"


def test_web_addresses_are_not_taken_for_files():
    assert infer_columns(pets(url=["https://x.org/a.jpg"] * 12)).of_kind("image") == ("photo",)


def test_several_image_columns():
    assert infer_columns(pets(other=["a.png"] * 12)).of_kind("image") == ("photo",)
    with pytest.raises(DataError, match=r"which are the images, \['left', 'right'\]\? .*image="):
        infer_columns(pets(left=["a.png"] * 12, right=["b.png"] * 12).drop(columns="photo"))


def test_split_is_taken_only_with_known_names():
    columns = infer_columns(pets(fold=[0, 1, 2] * 4))
    assert columns.split is None
    assert columns.reasons["split"] == "none: rows are split by us; column 'fold' holds '0', which names no split"
    assert infer_columns(pets(split=["train"] * 12), split=[]).split is None


KINDS = {
    "two strings": (["yes", "no"] * 6, "binary"),
    "two numbers": ([0, 1] * 6, "binary"),
    "booleans": ([True, False] * 6, "binary"),
    "strings": (["a", "b", "c"] * 4, "multiclass"),
    "integers": ([1, 2, 3] * 4, "multiclass"),
    "integers with a missing cell": ([1, 2, 3] * 3 + [1, 2, None], "multiclass"),
    "distinct integers": (list(range(12)), "regression"),
    "ratings as floats": ([1.0, 2.0, 5.0, None] * 3, "multiclass"),
    "years": ([1990 + i // 2 for i in range(10)] + [2001, 2003], "regression"),
    "floats": ([i / 7 for i in range(12)], "regression"),
    "lists": ([["a"], ["a", "b"], []] * 4, "multilabel"),
    "divided strings": (["a|b", "a", "b; c", "c"] * 3, "multilabel"),
    "commas are no divider": (["ARDS", "ARDS, flu", "flu"] * 4, "multiclass"),
    "answers with some numbers": (["yes", "no", "red", "2"] * 3, "multiclass"),
}


@pytest.mark.parametrize("case", KINDS)
def test_problem_type(case):
    cells, kind = KINDS[case]
    assert infer_columns(pets(label=cells), label="label").labels == {"label": kind}


def test_problem_type_can_be_given():
    frame = pets()
    assert infer_columns(frame, label="species,age", problem_type="multiclass").labels == {
        "species": "multiclass",
        "age": "multiclass",
    }
    assert infer_columns(frame, label=["species", "age"], problem_type={"age": "multiclass"}).labels == {
        "species": "multiclass",
        "age": "multiclass",
    }
    with pytest.raises(
        DataError, match=r"problem_type 'numbers' .* unknown\. Types: binary, multiclass, multilabel, regression"
    ):
        infer_columns(frame, problem_type="numbers")
    with pytest.raises(DataError, match=r"problem_type names 'photo', which is no label; labels: \['species'\]"):
        infer_columns(frame, problem_type={"photo": "multiclass"})


def test_no_label_or_several_are_refused():
    with pytest.raises(DataError, match=r"DataFrame: no column is named like a label .*--label.* out of \['id'"):
        infer_columns(pets().rename(columns={"species": "kind"}))
    with pytest.raises(DataError, match=r"DataFrame: which one is the label, \['species', 'Label'\]\?"):
        infer_columns(pets(Label=[1, 2] * 6))
    with pytest.raises(DataError, match=r"a label column is needed \(label=…, --label\)"):
        infer_columns(pets(), label=[])


def test_wrong_names_are_answered_with_near_ones():
    with pytest.raises(
        DataError,
        match=r"no column 'fhoto' \(given as image\)\. Did you mean 'photo'\? Columns: \['id', 'photo'",
    ):
        infer_columns(pets(), image="fhoto")


def test_a_column_has_one_role():
    with pytest.raises(DataError, match="column 'age' is given as numeric and as label"):
        infer_columns(pets(), numeric="age", label="age")
    with pytest.raises(DataError, match=r"split takes one column, not \['id', 'age'\]"):
        infer_columns(pets(), split="id,age")


def test_free_text_is_no_label():
    with pytest.raises(
        DataError,
        match=r"DataFrame, column 'description': looks like free text .* 12 distinct values in 12 rows",
    ):
        infer_columns(pets(), label="description")


@pytest.mark.parametrize("cells", [[1, 2, "dog"] * 4, ["1", "2", "dog"] * 4, [1.5, "dog", None] * 4])
def test_mixed_labels_name_both_sides(cells):
    message = r"Column 'label' holds both numbers and other values: '?1(\.5)?'? in DataFrame, row 1 and 'dog' in "
    with pytest.raises(DataError, match=message + r"DataFrame, row [23]"):
        infer_columns(pets(label=cells), label="label")
    assert infer_columns(pets(label=cells), label="label", problem_type="multiclass").labels == {
        "label": "multiclass"
    }


def test_cells_that_are_no_labels():
    with pytest.raises(DataError, match=r"DataFrame, row 2, column 'label': b'x' is a bytes; a label is"):
        infer_columns(pets(label=["a", b"x"] * 6), label="label")
    with pytest.raises(DataError, match=r"DataFrame, column 'label': every cell is empty"):
        infer_columns(pets(label=[None] * 12), label="label")


def test_numbers_must_be_numeric(tmp_path):
    path = tmp_path / "pets.csv"
    path.write_text("text,age,label\na b,1,x\nc d,,y\ne f,old,x\ng h,old,y\n", encoding="utf-8")
    frame = read_table(path)
    with pytest.raises(
        DataError,
        match=r"pets\.csv, row 3 \(line 4\), column 'age': 'old' is not a finite number \(2 such row",
    ):
        infer_columns(frame, numeric="age")
    with pytest.raises(DataError, match=r"row 1, column 'age': inf is not a finite number"):
        infer_columns(pets(age=[np.inf] * 12), numeric="age")
    with pytest.raises(DataError, match=r"column 'age' \(numbers\): every cell is empty"):
        infer_columns(pets(age=[None] * 12), numeric="age")
    assert infer_columns(pets(age=["1", " 2.5", ""] * 4), numeric="age").of_kind("numeric") == ("age",)


def test_texts_must_be_strings():
    with pytest.raises(DataError, match=r"row 1, column 'captions': the text is a list\. Give one row per text"):
        infer_columns(pets(captions=[["a", "b"]] * 12), text="captions")
    with pytest.raises(DataError, match=r"row 1, column 'words': the text is a bytes\. Decode it"):
        infer_columns(pets(words=[b"hello there"] * 12), text="words")


def test_no_feature_at_all():
    with pytest.raises(DataError, match=r"DataFrame: no image and no text column found among \['age', 'species'\]"):
        infer_columns(pets()[["age", "species"]])
