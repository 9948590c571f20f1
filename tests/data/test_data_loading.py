import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import DataError


@pytest.fixture
def table(tmp_path):
    frame = color_table(tmp_path)
    frame.drop(columns="tags").to_csv(tmp_path / "pets.csv", index=False)
    return tmp_path / "pets.csv"


ROLES = {"image": "photo", "text": "description", "label": "color"}


def test_a_table_becomes_splits_and_a_schema(table):
    data = kf.data.load(table, **ROLES)
    assert [f.name for f in data.schema.features] == ["image", "text"]
    assert data.schema["image"].size == (16, 16)
    assert data.schema["text"].length == 7
    assert data.schema["label"].classes == ("blue", "green", "red")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 48, "validation": 6, "test": 6}
    rows = [set(split.frame.index) for split in data.splits.values()]
    assert set.union(*rows) == set(range(60)) and sum(map(len, rows)) == 60
    train = data.splits["train"]
    names = np.array(data.schema["label"].classes)[train.labels["label"]]
    assert names.tolist() == train.frame["color"].tolist()


def test_vocabulary_is_learned_from_training_rows_alone(table):
    data = kf.data.load(table, **ROLES)
    test_number = data.splits["test"].frame["description"].iloc[0].split()[-1]
    assert test_number not in data.schema["text"].vocabulary
    assert "thing" in data.schema["text"].vocabulary


def test_group_rows_stay_together(table):
    data = kf.data.load(table, **ROLES, group="patient")
    patients = [set(split.frame["patient"]) for split in data.splits.values()]
    assert not (patients[0] & patients[1] or patients[0] & patients[2] or patients[1] & patients[2])


def test_numbers_and_several_tasks(table):
    data = kf.data.load(table, image="photo", text="description", numeric="age", label=["color", "fits", "shade"])
    assert {t.name: t.type for t in data.schema.tasks} == {
        "color": "multiclass",
        "fits": "binary",
        "shade": "regression",
    }
    ages = data.splits["train"].frame["age"]
    np.testing.assert_allclose(data.schema["numbers"].mean, [ages.mean()])
    np.testing.assert_allclose(data.schema["shade"].mean, data.splits["train"].frame["shade"].mean(), rtol=1e-6)


def test_missing_and_broken_images_are_skipped_and_named(table):
    folder = table.parent / "photos"
    (folder / "3.png").unlink()
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:300])
    (folder / "7.png").write_text("not an image")
    Image.effect_noise((64, 64), 80).convert("RGB").save(folder / "9.png", "JPEG")
    (folder / "9.png").write_bytes((folder / "9.png").read_bytes()[:1200])
    data = kf.data.load(table, **ROLES)
    assert data.skipped.total == 4
    said = str(data.skipped)
    for row, name in ((4, "3.png"), (6, "5.png"), (8, "7.png"), (10, "9.png")):
        assert f"row {row}, column 'photo'" in said and name in said
    assert sum(len(split) for split in data.splits.values()) == 56


def test_mostly_broken_images_are_an_error(table):
    for i in range(40):
        (table.parent / "photos" / f"{i}.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"pets.csv: 40 of 60 rows have an image that cannot be read"):
        kf.data.load(table, **ROLES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "colour"}, r"pets.csv.*'colour'.*color"),
        ({"image": "foto"}, r"pets.csv.*'foto'.*photo"),
        ({"image_size": 4}, "image_size"),
    ],
)
def test_wrong_arguments(table, change, message):
    with pytest.raises(DataError, match=message):
        kf.data.load(table, **{**ROLES, **change})


def test_one_class_only(table):
    frame = pd.read_csv(table).assign(color="red")
    frame.to_csv(table, index=False)
    with pytest.raises(DataError, match=r"pets.csv.*only one class, 'red', in column 'color'"):
        kf.data.load(table, **ROLES)


def test_three_rows(table):
    pd.read_csv(table).head(3).to_csv(table, index=False)
    with pytest.raises(DataError, match=r"pets.csv.*3 rows"):
        kf.data.load(table, **ROLES)


def test_empty_table(table):
    table.write_text("photo,description,color\n")
    with pytest.raises(DataError, match=r"pets.csv"):
        kf.data.load(table, **ROLES)


def test_rows_without_a_label_are_counted(table):
    frame = pd.read_csv(table)
    frame.loc[[2, 9], "color"] = np.nan
    frame.to_csv(table, index=False)
    data = kf.data.load(table, **ROLES)
    assert data.skipped.total == 2 and "row 3, column 'color'" in str(data.skipped)


def test_other_rows_follow_the_schema_and_keep_what_is_missing(table):
    data = kf.data.load(table, **ROLES)
    rows = pd.DataFrame(
        {
            "photo": [str(table.parent / "photos/0.png"), str(table.parent / "none.png"), None],
            "description": ["this is a thing", "unheard words", None],
        }
    )
    examples, skipped = kf.data.load_rows(rows, data.schema, with_labels=False)
    assert len(examples) == 3
    assert examples.arrays["image"].tolist() == [0, -1, -1]
    assert examples.arrays["text"][1].tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert skipped.total == 1 and "none.png" in str(skipped)
    with pytest.raises(DataError, match="'photo'"):
        kf.data.load_rows(rows.drop(columns="photo"), data.schema, with_labels=False)


def test_schema_round_trip(table, tmp_path):
    schema = kf.data.load(table, **ROLES).schema
    schema.save(tmp_path / "schema.json")
    assert kf.Schema.load(tmp_path / "schema.json") == schema


def test_tfds_sets_by_a_mapping_of_features():
    data = kf.data.load("shapes:quick", label="questions/answer", text="questions/question")
    assert data.columns.slice_by == "type" and data.texts_per_image == 12
    assert len(data.splits["test"]) == 720
    with pytest.raises(DataError, match=r"no feature 'answers'; it has image"):
        kf.data.load("shapes:quick", label="answers")
