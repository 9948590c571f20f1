"""A run that learns from another's answers: `kf.train(..., distillation=...)` and `kerasfusion train --teacher`."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.training import DistillationConfig, checkpoint
from kerasfusion.transfer.distillation import encode_for_teacher
from kerasfusion.workflows.distillation import Teacher

SMALL = {"units": 4, "image_encoder": {"name": "small_cnn", "filters": (4,)}}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    table = color_table(folder)[["photo", "description", "color"]]
    table["split"] = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    table.to_csv(folder / "colors.csv", index=False)
    return folder / "colors.csv"


def load(table, **settings):
    columns = {"image": "photo", "text": "description", "label": "color", "split": "split", "image_size": 16}
    return kf.data.load(table, **{**columns, **settings})


def as_run(folder, model, data):
    """A run's folder, as far as it takes to be loaded."""
    folder.mkdir()
    model.save(folder / "model.keras")
    data.schema.save(folder / "schema.json")
    fingerprints = {name: split.fingerprint() for name, split in data.splits.items()}
    (folder / "config.json").write_text(json.dumps({"model": "classifier_concat", "data": fingerprints}))
    (folder / "metrics.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def data(table):
    return load(table)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    model = kf.create_model("classifier_concat", data.schema, text_encoder="average", **SMALL)
    return as_run(tmp_path_factory.mktemp("runs") / "teacher", model, data)


def test_a_run_as_teacher(data, run):
    teacher = Teacher(DistillationConfig(run, 0.25, 2.0), data)
    assert (teacher.config["run"], teacher.config["weight"], teacher.config["temperature"]) == (str(run), 0.25, 2.0)
    assert str(teacher) == f"Teacher {run}: classifier_concat of image, text"
    assert teacher.noted(data) is data


@pytest.mark.slow
def test_a_teacher_that_reads_in_another_way(table, data, run):
    """Words, length and size are its own, so it says the same of rows that were loaded for a smaller student."""
    small = load(table, image_size=8, sequence_length=3, max_tokens=4)
    teacher = Teacher(DistillationConfig(run, 0.25, 2.0), small)
    splits = [small.splits["test"], small.splits["train"]]
    assert encode_for_teacher(teacher.run.model, small.schema, splits) is splits
    read = encode_for_teacher(teacher.run.model, data.schema, splits)
    assert read[0].banks["image"] is read[1].banks["image"] and read[0].banks["image"].size == (16, 16)
    for split, name in zip(read, ("test", "train"), strict=True):
        np.testing.assert_array_equal(split.arrays["text"], data.splits[name].arrays["text"])
        np.testing.assert_array_equal(split.arrays["image"], data.splits[name].arrays["image"])
    student = kf.create_model("image_only", small.schema, **SMALL)
    twin, (rows,) = teacher.teach(student, splits[:1])
    x, *_ = next(iter(kf.data.BatchedDataset(data.splits["test"], 10).dataset()))
    expected = teacher.run.model(x)["label"]
    np.testing.assert_allclose(rows.labels["label_by_teacher"], expected, rtol=1e-5, atol=1e-6)
    # The student's rows stay as they were loaded.
    assert rows.banks["image"].size == (8, 8) and rows.arrays["text"].shape == (10, 3)
    assert {task.name: task.weight for task in rows.schema.tasks} == {"label": 0.75, "label_by_teacher": 0.25}
    assert twin.get_layer("head_label_by_teacher").temperature == 2.0
    # Whether it knows these rows' labels cannot be told.
    (note,) = teacher.noted(small).notes
    assert note.startswith(f"Whether the teacher {run} learned from rows of this test split is not known")


def test_what_cannot_teach(data, run, tmp_path):
    (label,), image = data.schema.tasks, data.schema["image"]

    def refused(error, match, teacher=run, features=data.schema.features, **changes):
        schema = kf.Schema(features, (dataclasses.replace(label, **changes),))
        with pytest.raises(error, match=match):
            kf.train(
                dataclasses.replace(data, schema=schema),
                "image_only",
                tmp_path / "student",
                distillation=DistillationConfig(teacher),
                **SMALL,
            )
        assert not (tmp_path / "student").exists()

    refused(FileNotFoundError, "nowhere holds no trained model", teacher=tmp_path / "nowhere")
    refused(
        ValueError,
        r"needs 'text' \(text\), which the rows lack. They have image \(image\)",
        features=(image,),
    )
    refused(
        ValueError,
        r"Classes that only the student has: \['pink'\]; only the teacher: \['blue'\]",
        classes=("green", "pink", "red"),
    )
    refused(
        ValueError,
        r"with the tasks label \(multiclass\) shares no task with a student of label \(regression\)",
        type="regression",
        classes=(),
    )
    with pytest.raises(ValueError, match="weight must be a number above 0"):
        DistillationConfig(run, weight=0)


@pytest.mark.slow
def test_by_the_command_line_interrupted_and_resumed(table, run, tmp_path, monkeypatch):
    def command(out, *more):
        columns = ["--image", "photo", "--text", "description", "--label", "color", "--split", "split"]
        options = ["--image-size", 16, "--max-tokens", 9, "--model", "image_only", "--epochs", 2, "--teacher", run]
        arguments = ["train", table, *columns, *options, "--output-dir", out, *more]
        return CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})

    whole = command(tmp_path / "whole")
    assert whole.exit_code == 0, whole.output
    assert f"Teacher {run}: classifier_concat of image, text" in whole.output
    found = kf.load(tmp_path / "whole")
    assert found.config["distillation"]["run"] == str(run) and found.config["distillation"]["weight"] == 0.5
    assert list(found.metrics["tasks"]["label"]["scores"])[:2] == ["image_only", "without teacher"]
    assert "text only" not in found.metrics["tasks"]["label"]["scores"]
    page = (tmp_path / "whole" / "report.html").read_text()
    assert f"run = {run}" in page and "image_bytes" in page and "number 1" not in page.split('id="serve"')[1]
    # An ordinary model that asks for nothing but images.
    assert set(found.model.output) == {"label"} and set(found.model.input) == {"image", "image_present"}
    assert list(found.predict([{"photo": "photos/0.png"}], table.parent)["image_ok"]) == [True]
    assert kf.verify(kf.export(found, tmp_path / "served")).ok
    alone = keras.saving.load_model(tmp_path / "whole" / "baselines" / "without_teacher" / "model.keras")
    assert alone.count_params() == found.model.count_params()

    before = checkpoint.Checkpoint.on_epoch_end

    def pressing(self, epoch, logs=None):
        self.interruption.asked = True
        before(self, epoch, logs)

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.Checkpoint, "on_epoch_end", pressing)
        assert command(out).exit_code == 130
    # The best so far is the student as well.
    with pytest.warns(UserWarning, match="was interrupted"):
        assert set(kf.load(out).model.output) == {"label"}
    other = command(out, "--resume", "--teacher-weight", 0.9)
    assert isinstance(other.exception, ValueError) and "weight (then 0.5, now 0.9)" in str(other.exception)
    resumed = command(out, "--resume")
    assert resumed.exit_code == 0, resumed.output
    for ours, theirs in zip(kf.load(out).model.weights, found.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
