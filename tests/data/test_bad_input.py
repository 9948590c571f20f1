"""Tables as people have them: each case ends in an error that says what to do, or is counted and said.

What concerns one part alone is tested beside that part: images of all kinds in
`preprocessing/test_preprocessing_image_formats.py`, files of all kinds in `test_data_table.py`.
"""

import json
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image, features

import kerasfusion as kf
from kerasfusion.data import DataError
from kerasfusion.data.clean import clean_rows
from kerasfusion.data.column_roles import ColumnRoles, infer_columns
from kerasfusion.data.data_checks import run_data_checks
from kerasfusion.data.images import resolve_images
from kerasfusion.data.split import make_splits
from kerasfusion.data.table import read_table
from kerasfusion.data.tasks import encode_labels
from kerasfusion.preprocessing import learn_vocabulary, tokenize

# Images --------------------------------------------------------------------------------------------------------


def png(path, color="red", size=(4, 4), kind="PNG", **settings):
    Image.new("RGB", size, color).save(path, kind, **settings)


def images(folder, *cells, **settings):
    """The images of `pets.csv` in a folder, which names one sound image and these."""
    png(folder / "good.png", "blue")
    frame = read_table(pd.DataFrame({"photo": ["good.png", *cells]}))
    frame.attrs.update(source="pets.csv", folder=str(folder), line_offset=1)
    return resolve_images(frame, "photo", **settings)


NO_IMAGES = {
    "text": (b"hello", "not a readable image"),
    "empty": (b"", "empty file (0 bytes)"),
    "SVG": (b'<?xml version="1.0"?>\n<svg width="1"/>', "SVG images are not supported (save as PNG or JPEG)"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "a web page, not an image (its download failed)"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a Git LFS pointer, not an image (run git lfs pull)",
    ),
    "PDF": (b"%PDF-1.7\n", "a PDF, not an image (save as PNG or JPEG)"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC images are not supported (save as PNG or JPEG)"),
}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("case", NO_IMAGES)
def test_what_is_no_image_is_named_for_what_it_is(tmp_path, case, inside):
    data, reason = NO_IMAGES[case]
    (tmp_path / "bad.png").write_bytes(data)
    if inside and not data:
        pytest.skip("Empty bytes are a missing image, not a broken one.")
    check = images(tmp_path, data if inside else "bad.png").check()
    assert check.problems.counts == {reason: 1}
    shown = f"{len(data):,} bytes" if inside else str(tmp_path / "bad.png")
    assert check.problems.examples[reason] == [(2, "photo", shown)]


def save(name, **settings):
    return lambda path: png(path, kind=name, **settings)


UNSUPPORTED = {
    "TIFF": (save("TIFF"), "TIFF images are not supported (save as PNG or JPEG)"),
    "AVIF": (save("AVIF"), "AVIF images are not supported (save as PNG or JPEG)"),
    "animated WebP": (
        save("WEBP", save_all=True, append_images=[Image.new("RGB", (4, 4), "blue")]),
        "animated WebP images are not supported (save one frame as PNG or JPEG)",
    ),
    "1-bit BMP": (
        lambda path: Image.new("1", (8, 8)).save(path, "BMP"),
        "BMP images of fewer than 8 bits or with run lengths are not supported (save as PNG)",
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_kinds_of_images_that_are_not_supported(tmp_path, case):
    if case == "AVIF" and not features.check("avif"):
        pytest.skip("This Pillow writes no AVIF.")
    write, reason = UNSUPPORTED[case]
    write(tmp_path / "bad.png")
    assert images(tmp_path, "bad.png").check().problems.counts == {reason: 1}


def test_a_image_that_is_a_folder(tmp_path):
    (tmp_path / "bad.png").mkdir()
    assert images(tmp_path, "bad.png").check().problems.counts == {"a folder, not a file": 1}


def test_a_image_that_is_no_file_is_not_read(tmp_path):
    """Reading this one would wait for ever."""
    os.mkfifo(tmp_path / "bad.png")
    found = images(tmp_path, "bad.png")
    check = found.check()
    assert check.problems.counts == {"not a file": 1}
    assert found.decodable(check) == [str(tmp_path / "good.png"), b""]


def test_a_path_through_a_file_and_one_with_a_zero(tmp_path):
    check = images(tmp_path, "good.png/x.png", "a\0.png").check()
    assert check.problems.counts == {"file does not exist": 1, "not a readable image": 1}


def test_a_image_that_may_not_be_read(tmp_path):
    png(tmp_path / "bad.png")
    (tmp_path / "bad.png").chmod(0)
    if os.access(tmp_path / "bad.png", os.R_OK):
        pytest.skip("This user (root) may read every file.")
    assert images(tmp_path, "bad.png").check().problems.counts == {"file may not be read (permission denied)": 1}


def test_a_image_that_may_not_be_read_as_the_system_says_it(tmp_path, monkeypatch):
    """The same for root, to whom nothing is denied."""

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    png(tmp_path / "bad.png")
    found = images(tmp_path, "bad.png")
    monkeypatch.setattr("kerasfusion.data.images.Image.open", denied)
    assert found.check().problems.counts == {"file may not be read (permission denied)": 2}


@pytest.fixture
def two_folders(tmp_path):
    """An image outside of the table's folder, and links to it."""
    inside, outside = tmp_path / "table", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    png(outside / "x.png")
    (inside / "link.png").symlink_to(outside / "x.png")
    (inside / "linked").symlink_to(outside)
    return inside, outside


OUTSIDE = {
    "relative": lambda outside: "../elsewhere/x.png",
    "absolute": lambda outside: str(outside / "x.png"),
    "address": lambda outside: (outside / "x.png").as_uri(),
    "link": lambda outside: "link.png",
    "folder that is a link": lambda outside: "linked/x.png",
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_paths_that_lead_out_are_refused_unless_allowed(two_folders, case):
    inside, outside = two_folders
    cell = OUTSIDE[case](outside)
    message = r"pets\.csv, row 2 \(line 3\), column 'photo': .*x?\.png' leads out of the image folder .*image-dir"
    with pytest.raises(DataError, match=message):
        images(inside, cell)
    assert len(images(inside, cell, allow_external_paths=True).check().bad) == 2
    # A name that begins like the folder's is another folder; the system's root holds all.
    (inside.parent / "tables").mkdir()
    png(inside.parent / "tables" / "x.png")
    with pytest.raises(DataError, match="leads out"):
        images(inside, "../tables/x.png")
    frame = read_table(pd.DataFrame({"photo": [str(outside / "x.png")]}))
    frame.attrs.update(source="pets.csv", folder=str(inside))
    assert len(resolve_images(frame, "photo", image_dir="/").keys) == 1


def test_absolute_paths_of_a_program_are_its_own(two_folders):
    _, outside = two_folders
    frame = read_table(pd.DataFrame({"photo": [str(outside / "x.png")]}))
    assert not resolve_images(frame, "photo").check().problems


def test_a_table_in_a_folder_that_is_a_link_is_at_home_there(two_folders):
    inside, _ = two_folders
    assert not images(inside / "linked", "x.png").check().problems


def test_a_image_named_by_itself_may_lie_anywhere(two_folders, monkeypatch):
    inside, _ = two_folders

    class Run:
        schema = kf.Schema((kf.Feature("image", "image", ("photo",), size=(8, 8)),), ())

        def predict(self, rows):
            return kf.data.load_rows(rows, self.schema, with_labels=False)[0].arrays["image"].tolist()

    monkeypatch.chdir(inside)
    assert kf.workflows.predict(Run(), {"image": "../elsewhere/x.png"}) == [0]


def test_a_table_handed_on_keeps_its_name(tmp_path):
    (tmp_path / "pets.csv").write_text("photo\n/x.png\n")
    frame = read_table(read_table(tmp_path / "pets.csv"))
    assert (frame.attrs["source"], frame.attrs["line_offset"]) == ("pets.csv", 1)
    assert read_table(pd.concat([frame, frame])).attrs["source"] == "DataFrame"


def test_bad_images_of_a_table_are_counted_and_named(tmp_path):
    rows = []
    for i in range(30):
        png(tmp_path / f"{i}.png", [(255, i, 0), (0, i, 255)][i % 2], (16, 16))
        rows.append({"photo": f"{i}.png", "label": ["r", "b"][i % 2]})
    (tmp_path / "3.png").unlink()
    (tmp_path / "4.png").write_bytes(b"<html>not found</html>")
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:-30])
    rows[6]["photo"] = "https://example.org/6.png"
    pd.DataFrame(rows).to_csv(tmp_path / "pets.csv", index=False)
    data = kf.data.load(tmp_path / "pets.csv", image="photo", label="label")
    assert data.skipped.counts == {
        "a web address, not a file (download it first)": 1,
        "file does not exist": 1,
        "a web page, not an image (its download failed)": 1,
        "image cannot be decoded (cut off or damaged)": 1,
    }
    for line in ("row 4, column 'photo'", "row 5, column 'photo'", "row 6, column 'photo'", "row 7, column 'photo'"):
        assert line in str(data.skipped)
    assert sum(len(split) for split in data.splits.values()) == 26


# Texts -----------------------------------------------------------------------------------------------------------


def texts_of(cells, tmp_path):
    """The text cells of a JSONL table after cleaning, beside enough sound rows."""
    rows = [{"text": cell, "label": i % 2} for i, cell in enumerate([*cells, *["a sound text"] * 12])]
    path = tmp_path / "pets.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    frame, skipped = clean_rows(read_table(path), ColumnRoles({"text": ("text",)}, {"label": "binary"}))
    return frame, skipped


def test_empty_texts_are_counted(tmp_path):
    cells = ["", "  ", "\t\n", None, float("nan")]
    frame, skipped = texts_of(cells, tmp_path)
    assert skipped.counts == {"every input missing": 5}
    assert len(frame) == 12


@pytest.mark.parametrize(
    ("cell", "text", "words"),
    [
        ("\ud800 broken", "\ufffd broken", ["\ufffd", "broken"]),
        ("half \ud83d", "half \ufffd", ["half", "\ufffd"]),
        ("\ud83d\ude00 whole", "😀 whole", ["😀", "whole"]),
        ("zero\x00in it", "zero\x00in it", ["zero", "in", "it"]),
        ("\x1b[31mred\x07 \x7fbell", "\x1b[31mred\x07 \x7fbell", ["31mred", "bell"]),
        ("👍🏽 gut 🇩🇪", "👍🏽 gut 🇩🇪", ["👍", "gut", "🇩", "🇪"]),
        ("红色的圆", "红色的圆", ["红", "色", "的", "圆"]),
        ("שלום עולם", "שלום עולם", ["שלום", "עולם"]),
        ("\u202eمرحبا\u202c بالعالم", "\u202eمرحبا\u202c بالعالم", ["مرحبا", "بالعالم"]),
        (7, "7", ["7"]),
        (2.5, "2.5", ["2", "5"]),
        (True, "True", ["true"]),
    ],
)
def test_odd_texts_come_through_to_known_words(tmp_path, cell, text, words):
    frame, skipped = texts_of([cell], tmp_path)
    assert not skipped
    assert frame["text"].iloc[0] == text
    assert [word.decode() for word in tokenize([text])[0].numpy()] == words
    vocabulary, _ = learn_vocabulary(frame["text"])
    assert set(words) <= set(vocabulary)


def test_a_label_that_is_half_a_character_can_be_written(tmp_path):
    path = tmp_path / "pets.json"
    path.write_text(json.dumps([{"text": f"a b {i}", "label": ["\ud83d", "x"][i % 2]} for i in range(12)]))
    data = kf.data.load(path, text="text", label="label")
    data.schema.save(tmp_path / "schema.json")
    assert kf.Schema.load(tmp_path / "schema.json").tasks[0].classes == ("x", "\ufffd")


def table_of_texts(folder, texts, name="pets.csv"):
    frame = pd.DataFrame({"text": texts, "label": [f"class {i % 2}" for i in range(len(texts))]})
    frame.to_csv(folder / name, index=False)
    return folder / name


def test_a_long_text_is_cut_and_the_share_is_said(tmp_path):
    texts = [" ".join(["word"] * 1000)] * 5 + [f"a short text {i}" for i in range(15)]
    path = table_of_texts(tmp_path, np.random.default_rng(0).permutation(texts))
    data = kf.data.load(path, text="text", label="label")
    (setting,) = [line for line in data.settings if line[0] == "text length (text)"]
    trained = data.splits["train"].frame["text"].str.len().gt(1000).mean()
    assert data.schema["text"].length == 512
    assert setting[1:3] == ("512 words", f"the longest training text has 1000; {trained:.1%} of texts are cut")
    assert 0 < trained < 1


def test_texts_round_trip_through_csv(tmp_path):
    texts = ['commas, and "quotes"', "two\nlines", "semi;colon", "tab\there", "ends in backslash\\", "  "] * 2
    frame = read_table(table_of_texts(tmp_path, texts))
    assert frame["text"].dropna().tolist() == [text for text in texts if text.strip()]


def test_numbers_in_a_text_column_are_the_same_words_when_training_and_predicting(tmp_path):
    frame = pd.DataFrame({"text": [1.0, 2.0, np.nan] * 8, "label": ["a", "b", "a"] * 8, "n": 1.5})
    data = kf.data.load(frame, text="text", numeric="n", label="label")
    assert set(data.schema["text"].vocabulary) == {"1", "2"}
    examples, _ = kf.data.load_rows(frame.head(3), data.schema, with_labels=False)
    one, two = (4 + data.schema["text"].vocabulary.index(word) for word in "12")
    assert examples.arrays["text"][:, 0].tolist() == [one, two, 0]


ENCODINGS = {
    "Windows-1252": ("text,label\nGrüße aus Köln,x\n".encode("cp1252"), r"line 2: not UTF-8 .*0xFC.*'Grüße aus Kö"),
    "UTF-16": ("text,label\nGrüße,x\n".encode("utf-16"), r"a\.csv is UTF-16 text, not UTF-8\. Save it as UTF-8"),
    "spreadsheet": (b"PK\x03\x04\x14\0\x06\0\x08\0\xff\xfe", r"a\.csv is a spreadsheet or archive.* as CSV"),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_other_encodings_are_named(tmp_path, case):
    data, message = ENCODINGS[case]
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "a.csv")


def remarks_on(texts=None, labels=None, photo=None, **more):
    count = len(next(v for v in (texts, labels, photo) if v is not None))
    texts, labels = texts or [f"t {i}" for i in range(count)], labels or ["a"] * count
    frame = read_table(pd.DataFrame({"text": texts, "label": labels, **more}))
    inputs = {"image": ("photo",) if photo else (), "text": ("text",), "numeric": tuple(more)}
    columns = ColumnRoles(inputs, {"label": "multiclass"})
    return run_data_checks(frame, columns, {"photo": np.asarray(photo)} if photo else {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GrÃ¼ÃŸe", "1 row(s) hold UTF-8 that was read as another encoding and saved again, such as row 2"),
        ("itâ€™s", "1 row(s) hold UTF-8 that was read as another encoding and saved again, such as row 2"),
        ("Gr\ufffd\ufffde", "1 row(s) hold characters that were lost when they were written (\ufffd), such as row 2"),
    ],
)
def test_garbled_texts_are_said(text, said):
    (note,) = remarks_on(["fine", text, "São Paulo, Ça va, Ähnlich"])
    assert note == f"Text 'text': {said}. Export the table again as UTF-8."


# Labels ----------------------------------------------------------------------------------------------------------


def labels(cells):
    return read_table(pd.DataFrame({"text": [f"t {i}" for i in range(len(cells))], "label": cells}))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, "1", "yes", True] * 3, r"holds both numbers and other values: 1 in DataFrame, row 1 and '1' in .*row 2"),
        (["1", 1] * 6, r"holds both numbers and other values: 1 in DataFrame, row 2 and '1' in DataFrame, row 1"),
        (["yes", True] * 6, r"row 2, column 'label': True is a bool; a label is a string"),
        ([True, 0, 1] * 4, r"holds both numbers and other values: 0 in DataFrame, row 2 and True in .*row 1"),
        ([1.5, np.inf, 2.5] * 4, r"DataFrame, row 2, column 'label': inf is not a finite number \(4 such row"),
        ([0.0, -np.inf] * 6, r"DataFrame, row 2, column 'label': -inf is not a finite number \(6 such row"),
    ],
)
def test_labels_of_several_types_are_refused(cells, message):
    with pytest.raises(DataError, match=message):
        infer_columns(labels(cells), text="text", label="label")


def test_missing_labels_are_counted():
    frame = labels(["a", None, np.nan, "b", "", "a", "b"])
    _, skipped = clean_rows(frame, ColumnRoles({"text": ("text",)}, {"label": "multiclass"}))
    assert str(skipped).startswith("3 rows:\n  3 x label missing: row 2, column 'label' (nan)")


def test_one_class_is_not_enough(tmp_path):
    path = table_of_texts(tmp_path, [f"t {i}" for i in range(20)])
    frame = pd.read_csv(path).assign(label="cat")
    with pytest.raises(DataError, match="DataFrame: only one class, 'cat', in column 'label': nothing to learn"):
        kf.data.load(frame, text="text", label="label")


def test_spellings_of_one_class_are_said_and_not_joined():
    cells = ["Cat ", "cat", "Cat", "dog", "New  York", "new york"]
    assert encode_labels(labels(cells), "label", "multiclass")[1] == ("Cat", "New  York", "cat", "dog", "new york")
    assert remarks_on(labels=cells) == [
        "Label 'label': 'Cat' (2 rows) and 'cat' (1 rows) differ only in case or blanks and are different classes. "
        "Spell them alike in the table if they are one.",
        "Label 'label': 'New  York' (1 rows) and 'new york' (1 rows) differ only in case or blanks and are different "
        "classes. Spell them alike in the table if they are one.",
    ]


def splits_of(cells, **roles):
    more = {name: roles.pop(f"{name}_cells") for name in ("split", "patient") if f"{name}_cells" in roles}
    frame = labels(cells).assign(**more)
    columns = ColumnRoles({"text": ("text",)}, {"label": "multiclass"}, **roles)
    return make_splits(frame, columns, labels={"label": encode_labels(frame, "label", "multiclass")[0]})


def test_a_class_seen_once_trains_and_that_is_said():
    for position in (0, 20, 40):
        cells = ["a", "b"] * 20
        cells.insert(position, "rare")
        splits, notes = splits_of(cells)
        assert position in splits["train"]
        assert notes == [
            f"1 class(es) of 'label' have a single row: 'rare' (row {position + 1}, in train). Add rows, join "
            "classes, or expect nothing of them."
        ]


# Splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "hint"),
    [("tets", "'test' for 'tets'"), ("trian", "'train' for 'trian'"), ("Vaild", "'valid' for 'Vaild'")],
)
def test_a_misspelt_split_is_answered_with_the_nearest(word, hint):
    message = rf"row 3, column 'split': unknown split.*'{word}' \(1 row\(s\)\).* Did you mean {hint}\?"
    with pytest.raises(DataError, match=message):
        splits_of(["a", "b"] * 8, split="split", split_cells=["train"] * 2 + [word] + ["train"] * 13)


def test_an_unheard_of_split_gets_no_guess():
    with pytest.raises(DataError, match=r"'xyz' \(1 row\(s\)\); known are .*eval\.$"):
        splits_of(["a", "b"] * 8, split="split", split_cells=["xyz"] + ["train"] * 15)


def test_a_given_split_without_a_test_gets_one_and_says_so():
    splits, notes = splits_of(["a", "b"] * 20, split="split", split_cells=["train"] * 36 + ["val"] * 4)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 32, "validation": 4, "test": 4}
    assert notes == ["test: 4 rows cut from train, as the column 'split' has none."]


def test_a_group_in_two_splits_is_named_with_its_rows():
    _, notes = splits_of(
        ["a", "b"] * 10,
        split="split",
        group="patient",
        split_cells=["train"] * 16 + ["val"] * 2 + ["test"] * 2,
        patient_cells=[f"p{i}" for i in range(17)] + ["p17", "p3", "p17"],
    )
    assert len(notes) == 1
    assert "2 group(s), such as 'p3': row 4 is train and row 19 is test." in notes[0]


def test_the_same_text_in_train_and_test_is_said(tmp_path):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(20)], "label": ["a", "b"] * 10})
    frame["split"] = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    frame.loc[18, "text"] = "text 5"
    notes = kf.data.load(frame, text="text", label="label").notes
    (note,) = [note for note in notes if "same" in note]
    assert note == "test: 1 row(s) have the same 'text' as a training row (row 19 and row 6). Scores may be too good."


# Names and contents of columns -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["image", "text", "numeric", "label", "split", "group", "slice_by"])
def test_a_misspelt_column_is_answered_with_the_nearest(role):
    frame = labels(["a", "b"] * 6).assign(photo="a.png", age=1.0, patient="p")
    with pytest.raises(DataError, match=rf"no column 'pateint' \(given as {role}\)\. Did you mean 'patient' or"):
        infer_columns(frame, **{"label": "label", role: "pateint"})


def test_a_table_to_predict_with_other_column_names():
    frame = pd.DataFrame({"description": ["red", "blue"] * 8, "label": ["a", "b"] * 8})
    data = kf.data.load(frame, text="description", label="label")
    message = r"the model needs the column\(s\) 'description'; the table has .*Rename them \('Descripton' to"
    with pytest.raises(DataError, match=message):
        kf.data.load_rows(frame.rename(columns={"description": "Descripton"}), data.schema, with_labels=False)


@pytest.mark.parametrize(("cell", "said"), [("old", "'old'"), (np.inf, "inf"), ("1,5", "'1,5'")])
@pytest.mark.parametrize("with_labels", [False, True])
def test_a_number_that_is_none_is_named_when_predicting_too(cell, said, with_labels):
    frame = pd.DataFrame({"text": ["red", "blue"] * 8, "age": 1.5, "label": ["a", "b"] * 8})
    data = kf.data.load(frame, text="text", numeric="age", label="label")
    frame = frame.astype({"age": object})
    frame.loc[2, "age"] = cell
    with pytest.raises(DataError, match=rf"DataFrame, row 3, column 'age': {said} is not a finite number"):
        kf.data.load_rows(frame, data.schema, with_labels=with_labels)


def test_a_text_that_is_a_list_is_named_when_predicting_too():
    frame = pd.DataFrame({"text": ["red", "blue"] * 8, "label": ["a", "b"] * 8})
    data = kf.data.load(frame, text="text", label="label")
    rows = pd.DataFrame({"text": ["red", ["red", "blue"]]})
    with pytest.raises(DataError, match="DataFrame, row 2, column 'text': the text is a list"):
        kf.data.load_rows(rows, data.schema, with_labels=False)


def test_features_that_never_change_are_said():
    assert remarks_on(["same"] * 4, labels=list("abab"), photo=[0] * 4) == [
        "Every row shows the same image (column 'photo'): nothing can be learnt from it.",
        "Every row has the same text (column 'text'): nothing can be learnt from it.",
    ]
    assert remarks_on(["same", "other"], labels=["a", "b"], photo=[0, -1]) == []


def test_an_input_that_is_the_label_is_said():
    (note,) = remarks_on(labels=[1, 2, 3, 1], copied=[1.0, 2.0, np.nan, 1.0])
    assert note.startswith("Column 'copied' is an input and equals the label 'label' in every row")
    assert remarks_on(labels=[1, 2, 3, 1], copied=[1.0, 2.0, 3.0, 2.0]) == []
