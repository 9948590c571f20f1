"""Exports of a run: its data read again, what a variant cost, and what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.data import DataError
from kerasfusion.serving import CApiSession
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.training import TrainingConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with pets.csv, a run trained on it, and the predictions that Keras makes for its test split."""
    folder = tmp_path_factory.mktemp("pets")
    color_table(folder, rows=90).drop(columns="tags").to_csv(folder / "pets.csv", index=False)
    data = kf.data.load(folder / "pets.csv", image="photo", text="description", label=["color", "shade"])
    small = {"units": 16, "image_encoder": {"name": "small_cnn", "filters": (4,)}}  # graphs that are made quickly
    kf.train(data, "classifier_multiply", folder / "run", TrainingConfig(epochs=1), baselines=False, **small)
    return folder


def test_the_data_of_a_run_is_read_again(folder):
    run = kf.load(folder / "run")
    data = kf.workflows.load_run_data(run)
    assert data.schema == run.schema
    assert {name: len(split) for name, split in data.splits.items()} == run.metrics["rows"]


def test_data_that_was_changed_or_is_gone(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "pets")
    run = kf.load(tmp_path / "pets" / "run")
    run.config["load"]["source"] = str(tmp_path / "pets" / "pets.csv")
    table = pd.read_csv(tmp_path / "pets" / "pets.csv")
    table.loc[5, "color"] = "blue" if table.loc[5, "color"] != "blue" else "red"
    table.to_csv(tmp_path / "pets" / "pets.csv", index=False)
    with pytest.raises(DataError, match=r"is not what .*run was trained on: the .*split differs"):
        kf.workflows.load_run_data(run)
    (tmp_path / "pets" / "pets.csv").unlink()
    with pytest.raises(DataError, match=r"pets\.csv.*--data\), or do not measure"):
        kf.export(run, tmp_path / "base", freeze=True)
    assert not (tmp_path / "base").exists()
    run.config["load"] = None
    with pytest.raises(DataError, match="it came as a DataFrame"):
        kf.export(run, tmp_path / "base", bfloat16=True)
    version = kf.export(run, tmp_path / "base", freeze=True, evaluate=False)
    assert "accuracy" not in read_metadata(version)


def test_a_dataframe_has_no_name_to_be_read_by(folder):
    table = pd.read_csv(folder / "pets.csv")
    data = kf.data.load(table, image="photo", text="description", label="color", image_dir=folder)
    assert kf.workflows.reload.load_arguments(data) is None


def test_what_a_variant_costs_is_measured_on_the_test_split(folder, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs the extra [lite]")
    run = kf.load(folder / "run")
    version = kf.export(run, tmp_path / "base", bfloat16=True, lite=True)
    accuracy = read_metadata(version)["accuracy"]
    assert accuracy["rows"] == "test split"
    color, shade = accuracy["tasks"]["color"], accuracy["tasks"]["shade"]
    assert list(color) == list(shade) == ["keras", "saved_model", "lite"]
    # Before: what training itself found.
    for task, scores in accuracy["tasks"].items():
        trained = run.metrics["tasks"][task]["scores"]["classifier_multiply"]
        assert scores["keras"]["name"] == trained["name"]
        assert scores["keras"]["value"] == pytest.approx(trained["value"], abs=1e-5)
    # After: counted here from the export's own answers.
    test = kf.workflows.load_run_data(run).splits["test"]
    images = [(folder / path).read_bytes() for path in test.frame["photo"]]
    with CApiSession(version) as session:
        texts = [text.encode() for text in test.frame["description"]]
        answers = session.run("serving_default", {"text": texts, "image_bytes": images})
    right = np.mean(test.frame["color"].to_numpy() == [answer.decode() for answer in answers["color"]])
    assert color["saved_model"]["value"] == pytest.approx(right, abs=1e-6)
    error = np.abs(test.frame["shade"].to_numpy() - answers["shade"]).mean()
    assert shade["saved_model"]["value"] == pytest.approx(error, abs=1e-3) and "same" not in shade["saved_model"]
    lines = list(kf.workflows.format_export_metrics(version))
    assert len(lines) == 2 and lines[0].startswith(f"color, accuracy on {len(test)} rows of test split: Keras ")


def test_another_table_to_measure_on(folder, tmp_path):
    table = pd.read_csv(folder / "pets.csv").iloc[:20]
    table.loc[19, "color"] = None
    other = folder / "other.csv"
    table.to_csv(other, index=False)
    run = kf.load(folder / "run")
    version = kf.export(run, tmp_path / "base", freeze=True, data=str(other))
    accuracy = read_metadata(version)["accuracy"]
    assert accuracy["rows"] == str(other)
    # The row without a label is left out.
    assert accuracy["tasks"]["color"]["keras"]["n"] == 19
    assert accuracy["tasks"]["color"]["saved_model"]["same"] == 1.0


@pytest.mark.parametrize("options", [{"data": "x.csv"}, {"evaluate": False}])
def test_a_plain_export_has_nothing_to_measure(folder, tmp_path, options):
    with pytest.raises(ValueError, match="A plain export loses nothing"):
        kf.export(folder / "run", tmp_path / "base", **options)
    assert not (tmp_path / "base").exists()


def test_the_config_can_be_read_as_json(folder):
    load = json.loads((folder / "run" / "config.json").read_text())["load"]
    assert load["source"] == str(folder / "pets.csv") and load["label"] == ["color", "shade"] and load["seed"] == 0
