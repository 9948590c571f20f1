"""Every way to give a table, and every kind of row, through `kf.data.load` and a training."""

import json

import numpy as np
import pandas as pd
import pytest
from tables import color_table

import kerasfusion as kf

ROLES = {"image": "photo", "text": "description", "label": "color"}


FORMS = ["lists", "json lists in a string", "lists as pandas writes them", "divided by |", "divided by ;"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("table")


@pytest.fixture(scope="module")
def frame(folder):
    frame = color_table(folder, rows=48)
    frame.attrs.update(folder=str(folder))
    return frame


@pytest.fixture(scope="module")
def expected(frame):
    return kf.data.load(frame, **ROLES)


def train(data, out):
    """One epoch of a model that takes everything."""
    model = kf.create_model("classifier_concat", data.schema, image_encoder="small_cnn", units=8)
    config = kf.training.TrainingConfig(epochs=1, batch_size=16)
    cost = kf.training.fit(model, data.splits["train"], data.splits["validation"], config, out)
    assert np.isfinite(cost["history"][0]["loss"]) and np.isfinite(cost["history"][0]["val_loss"])
    return model


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "json", "parquet", "csv"])
def test_files_give_what_the_frame_gives(frame, expected, folder, ending):
    path = folder / f"pets.{ending}"
    table = frame.drop(columns="tags")
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs the extra [parquet]")
        frame.to_parquet(path)
    elif ending == "tsv":
        table.to_csv(path, sep="\t", index=False)
    elif ending == "csv":
        table.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=ending == "jsonl")
    data = kf.data.load(path, **ROLES)
    assert data.schema == expected.schema
    for name, split in data.splits.items():
        other = expected.splits[name]
        np.testing.assert_array_equal(split.arrays["text"], other.arrays["text"])
        np.testing.assert_array_equal(split.labels["label"], other.labels["label"])
        pixels, others = (part.banks["image"].fetch(part.arrays["image"])[0] for part in (split, other))
        np.testing.assert_array_equal(pixels, others)


def test_parquet_with_images_inside(frame, expected, folder):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [parquet]")
    inside = frame.assign(photo=[{"bytes": (folder / p).read_bytes(), "path": p} for p in frame["photo"]])
    inside.to_parquet(folder / "inside.parquet")
    data = kf.data.load(folder / "inside.parquet", **ROLES)
    pixels, others = (
        part.banks["image"].fetch(part.arrays["image"])[0]
        for part in (data.splits["train"], expected.splits["train"])
    )
    np.testing.assert_array_equal(pixels, others)


@pytest.mark.slow
def test_several_images_and_texts_and_numbers_in_a_row(frame, folder, tmp_path):
    """Each column is a feature of its own name; all of them reach the model."""
    frame = frame.assign(back=np.roll(frame["photo"], 1), title=[f"title {i % 4}" for i in range(48)])
    roles = {"image": ["photo", "back"], "text": ["description", "title"], "numeric": ["age", "shade"]}
    data = kf.data.load(frame, **roles, label="color", image_dir=folder)
    assert {f.name: f.kind for f in data.schema.features} == {
        "photo": "image",
        "back": "image",
        "description": "text",
        "title": "text",
        "numbers": "numeric",
    }
    x, _, _ = next(iter(kf.data.BatchedDataset(data.splits["train"], 4).dataset()))
    rows = data.splits["train"].frame.iloc[:4]
    np.testing.assert_allclose(x["numbers"], rows[["age", "shade"]], rtol=1e-6)
    colors = {0: "red", 1: "green", 2: "blue"}
    for name in ("photo", "back"):
        strongest = x[name].numpy().mean(axis=(1, 2)).argmax(axis=1)
        numbers = [int(path.split("/")[1].split(".")[0]) for path in rows[name]]
        assert [colors[s] for s in strongest] == [colors[n % 3] for n in numbers]
    model = train(data, tmp_path)
    logits = kf.evaluation.predict_logits(model, data.splits["test"])["label"]
    assert logits.shape == (len(data.splits["test"]), 3)


@pytest.mark.parametrize("form", FORMS)
def test_tags(frame, form):
    write = {
        "lists": lambda tags: tags,
        "json lists in a string": json.dumps,
        "lists as pandas writes them": str,
        "divided by |": "|".join,
        "divided by ;": "; ".join,
    }[form]
    table = frame.assign(tags=[write(tags) for tags in frame["tags"]])
    table.attrs.update(frame.attrs)
    data = kf.data.load(table, image="photo", text="description", label="tags")
    task = data.schema["label"]
    assert task.type == "multilabel" and task.classes == ("blue", "green", "red", "warm")
    train_split = data.splits["train"]
    for row, labels in zip(train_split.frame.index, train_split.labels["label"], strict=True):
        assert {task.classes[i] for i in np.flatnonzero(labels)} == set(frame["tags"][row])


def test_rows_that_lack_a_whole_modality(frame, tmp_path):
    """Without text, without image, without numbers: kept, fed as absent zeros, and trained on."""
    frame = frame.copy()
    age = frame["age"].copy()
    frame.loc[::4, "description"], frame.loc[1::4, "photo"], frame.loc[2::4, "age"] = None, None, np.nan
    data = kf.data.load(frame, **ROLES, numeric="age")
    assert sum(map(len, data.splits.values())) == 48 and not data.skipped
    part = data.splits["train"]
    x = {}
    for batch, _, _ in kf.data.BatchedDataset(part, 16).dataset():
        for name, value in batch.items():
            x.setdefault(name, []).append(value.numpy())
    x = {name: np.concatenate(values) for name, values in x.items()}
    missing = part.frame.index.to_numpy() % 4
    for feature, number in (("text", 0), ("image", 1), ("numbers", 2)):
        np.testing.assert_array_equal(x[f"{feature}_present"], missing != number)
    assert not x["text"][missing == 0].any() and not x["image"][missing == 1].any()
    # A missing number is the mean of the training rows, which the normalising layer makes zero.
    known = age[part.frame.index[missing != 2]]
    np.testing.assert_allclose(x["numbers"][missing == 2], known.mean(), rtol=1e-5)
    model = train(data, tmp_path)
    assert np.isfinite(kf.evaluation.predict_logits(model, data.splits["test"])["label"]).all()


def test_a_frame_that_was_filtered_and_reordered(frame):
    """Its index is no row number; images and labels stay with their rows."""
    some = frame.sample(40, random_state=1)
    some.attrs.update(frame.attrs)
    data = kf.data.load(some, **ROLES)
    for split in data.splits.values():
        pixels = split.banks["image"].fetch(split.arrays["image"])[0].numpy().mean(axis=(1, 2)).argmax(axis=1)
        names = np.array(data.schema["label"].classes)[split.labels["label"]]
        assert names.tolist() == [("red", "green", "blue")[i] for i in pixels]
        assert pd.Index(split.frame.index).max() < 40
