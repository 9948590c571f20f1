"""Vectors of rows from a run, as arrays and as Parquet."""

import importlib

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.training import Run


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    frame = color_table(folder, rows=30).drop(columns="tags")
    frame.loc[3, "photo"] = None
    frame["image_vector"] = "taken"
    frame.to_csv(folder / "pets.csv", index=False)
    return folder / "pets.csv"


@pytest.fixture(scope="module")
def data(table):
    return kf.data.load(table, image="photo", text="description", label="color")


def run_of(data, folder, name="classifier_gated", **settings):
    settings = {"units": 4, "text_encoder": "average", **settings}
    model = kf.create_model(name, data.schema, **settings)
    return Run(folder, data.schema, model, {}, {})


def test_vectors_are_those_of_the_layers(data, table, tmp_path):
    run = run_of(data, tmp_path, image_encoder={"name": "small_cnn", "filters": (4,)})
    found = run.features(table)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("text", "image", "fusion"), (30, 4)
    )
    rows, _ = kf.data.load_rows(table, data.schema)
    for name, values in found.items():
        layer = "fusion" if name == "fusion" else f"encode_{name}"
        expected = kf.transfer.extract_features(run.model, layer, rows)
        there = rows.present.get(name, np.ones(30, bool))
        np.testing.assert_allclose(values[there], expected[there], atol=1e-5)
    assert np.isnan(found["image"][3]).all() and not np.isnan(found["fusion"]).any()


def test_parquet_holds_the_table_and_the_vectors(data, table, tmp_path, monkeypatch):
    run = run_of(data, tmp_path, image_encoder={"name": "small_cnn", "filters": (4,)})
    monkeypatch.setattr(importlib.import_module("kerasfusion.workflows.features"), "from_preset", lambda path: run)
    tmp_path.joinpath("run").mkdir()
    done = CliRunner().invoke(cli.app, ["features", f"{tmp_path}/run", str(table), "--output-dir", f"{tmp_path}/out"])
    assert done.exit_code == 0 and "features.parquet" in done.output, done.output
    written = pd.read_parquet(tmp_path / "out" / "features.parquet")
    own = list(pd.read_csv(table).columns)
    assert list(written.columns) == [*own, "predicted_image_vector", "text_vector", "fusion_vector"]
    assert written["description"].tolist() == pd.read_csv(table)["description"].tolist()
    assert written["predicted_image_vector"].isna().tolist() == [row == 3 for row in range(30)]
    expected = run.features(table)["fusion"]
    np.testing.assert_array_equal(np.stack(written["fusion_vector"]), expected)


def test_one_branch_alone_has_no_fusion_and_an_average_no_vectors(data, table, tmp_path):
    assert set(run_of(data, tmp_path, "text_only").features(table)) == {"text"}
    members = {"text": run_of(data, tmp_path, "text_only").model}
    average = Run(tmp_path, data.schema, kf.models.late_average(data.schema, members), {}, {})
    with pytest.raises(ValueError, match="has no encoders of its own"):
        average.features(table)


def test_a_dual_encoder_gives_its_embeddings(table, tmp_path):
    data = kf.data.load(table, image="photo", text="description", problem_type="retrieval")
    model = kf.models.dual_encoder(
        data.schema, text_encoder="average", image_encoder={"name": "small_cnn", "filters": (4,)}, units=4
    )
    found = Run(tmp_path, data.schema, model, {}, {}).features(table)
    rows, _ = kf.data.load_rows(table, data.schema, with_labels=False)
    assert set(found) == {"text", "image"}
    np.testing.assert_allclose(found["text"], kf.evaluation.embed_texts(model, rows), atol=1e-5)
