"""`kf.compare` and `kerasfusion compare` on tiny tables: every model and seed, interrupted and gone on with."""

import dataclasses
import importlib

import keras
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.training import checkpoint, fit


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    color_table(folder, rows=60).drop(columns="tags").to_csv(folder / "pets.csv", index=False)
    return folder / "pets.csv"


@pytest.fixture(scope="module")
def data(table):
    return kf.data.load(table, image="photo", text="description", label="color")


SMALL = {"units": 4, "text_encoder": "bag_of_words", "image_encoder": {"name": "small_cnn", "filters": (4,)}}


@pytest.mark.slow
def test_a_fusion_beside_all_baselines(data, tmp_path, monkeypatch, messages):
    # Each run's own report is tested elsewhere, and takes as long as its training.
    monkeypatch.setattr(importlib.import_module("kerasfusion.workflows.train"), "write_report", lambda *_: [])
    config = kf.training.TrainingConfig(epochs=1, batch_size=16)
    found = kf.compare(data, [], tmp_path, 1, config, fusions=["sum"], **SMALL)
    names = {"classifier_concat", "classifier_sum", "text only", "image only", "late average"}
    assert set(found.table["model"]) == names | {"majority", "text lookup", kf.evaluation.BagOfWords.name}
    assert found.table["model"].iloc[0] == found.tasks["label"].best and not found.table["significant"].iloc[0]
    costs = found.table.set_index("model")
    assert (costs.loc[list(names), ["latency_ms", "export_mb", "parameters", "train_seconds"]] > 0).all(axis=None)
    assert costs.loc["majority", ["latency_ms", "parameters"]].isna().all()
    members = costs.loc[["text only", "image only"]]
    assert costs.loc["late average", "parameters"] == members["parameters"].sum()
    assert costs.loc["late average", "train_seconds"] == pytest.approx(members["train_seconds"].sum())
    # Runs like any other, and the very scores of their reports.
    for label in ("classifier_concat", "classifier_sum"):
        run = kf.load(tmp_path / "runs" / f"{label}-seed0")
        scores = run.metrics["tasks"]["label"]["scores"]
        assert costs.loc[label, "mean"] == pytest.approx(scores[label]["value"])
        assert ("late average" in scores) == (label == "classifier_concat")
    assert pd.read_csv(tmp_path / "comparison.csv").shape == found.table.shape
    assert found.tasks["label"].verdict in (tmp_path / "comparison.html").read_text()
    assert (tmp_path / "figures" / "score_and_latency.png").exists()
    assert "[2/2] classifier_sum, seed 0" in messages
    assert [path.name for path in tmp_path.glob(".*")] == [".kerasfusion.json"]


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.mark.slow
def test_the_command_interrupted_and_gone_on_with(tmp_path, monkeypatch):
    """One modality, two tasks, two seeds."""
    table = tmp_path / "texts.csv"
    color_table(tmp_path)[["description", "color", "shade"]].to_csv(table, index=False)
    out = tmp_path / "comparison"
    columns = ["--text", "description", "--label", "color,shade", "--batch-size", 16]
    command = ["compare", table, *columns, "--epochs", 2, "--seeds", 2, "--output-dir", out]
    before, seen = checkpoint.Checkpoint.on_epoch_end, []

    def pressing(self, epoch, logs=None):
        seen.append(epoch)
        self.interruption.asked = len(seen) == 3
        before(self, epoch, logs)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(checkpoint.Checkpoint, "on_epoch_end", pressing)
        stopped = run(*command)
    assert stopped.exit_code == 130 and "The same command with --resume goes on from here" in stopped.output
    kept = out / "runs" / "text_only-seed0" / "model.keras"
    written = kept.stat().st_mtime_ns
    assert isinstance(run(*command).exception, FileExistsError)
    other = run(*command, "--resume", "--learning-rate", 0.1)
    assert "text_only, seed 0" in str(other.exception) and "learning_rate" in str(other.exception)

    done = run(*command, "--resume")
    assert done.exit_code == 0, done.output
    assert "going on from epoch 2" in done.output and kept.stat().st_mtime_ns == written
    assert "not significantly different from the best model" in done.output or "beats all" in done.output
    seeds = pd.read_csv(out / "seeds.csv")
    assert set(seeds["task"]) == {"color", "shade"} and set(seeds["seed"]) == {0, 1}
    assert set(seeds["model"]) == {"text_only", "majority", "text lookup", kf.evaluation.BagOfWords.name}
    means = seeds.groupby(["task", "model"])["score"].mean()
    summary = pd.read_csv(out / "comparison.csv").set_index(["task", "model"])
    np.testing.assert_allclose(summary["mean"], means[summary.index], rtol=1e-4)
    assert summary.loc["shade", "mean"].is_monotonic_increasing  # an error: the smallest is the best
    assert summary.loc["color", "mean"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"models": ["classifier_gatde"]}, "classifier_gated"),
        ({"models": ["nothing_*"]}, r"No model for image and text matches 'nothing_\*'"),
        ({"fusions": ["multiplied"]}, "There is no fusion 'multiplied'"),
        ({"models": ["classifier_gated"], "text_encoder": "reading"}, "classifier_concat: .*'reading'"),
        ({"seeds": 0}, "seeds must be a whole number from 1 to 1,000, not 0"),
        ({"overwrite": True, "resume": True}, "not both"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(data, tmp_path, settings, said):
    with pytest.raises(ValueError, match=said):
        kf.compare(data, output_dir=tmp_path / "comparison", **settings)
    assert not list((tmp_path / "comparison").glob("runs/*"))


def test_a_folder_that_is_no_comparison_is_not_touched(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no comparison"):
        kf.compare(data, output_dir=tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_pattern_leaves_out_what_the_data_has_no_inputs_for(data):
    from kerasfusion.workflows.compare import _matching

    names = _matching("*", data.schema)
    assert {"classifier_gated", "vqa_film"} <= set(names) and not {"text_only", "late_average"} & set(names)
    assert _matching("image_only", data.schema) == ["image_only"]
    text = data.schema.only("text")
    with pytest.raises(ValueError, match="No model for text matches"):
        _matching("classifier_*", text)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_a_time_budget_fixes_the_epochs_once(data, tmp_path, monkeypatch):
    module = fit.__globals__
    text = {name: split.with_features(data.schema.only("text")) for name, split in data.splits.items()}
    real, planned = module["epochs_within"], []

    def plan(seconds, most, *rest):
        planned.append(real(seconds, most, *rest))
        return 3

    def trained(out, resume=False, **config):
        keras.utils.set_random_seed(0)
        model = kf.create_model("text_only", data.schema.only("text"), units=4)
        config = kf.training.TrainingConfig(batch_size=16, patience=None, **config)
        return model, fit(model, text["train"], text["validation"], config, tmp_path / out, resume=resume)

    monkeypatch.setitem(module, "epochs_within", plan)
    expected, _ = trained("plain", epochs=3)
    before = checkpoint.Checkpoint.on_epoch_end

    def dying(self, epoch, logs=None):
        before(self, epoch, logs)
        raise Killed

    budget = {"epochs": 40, "max_seconds": 0.001}
    with monkeypatch.context() as killed:
        killed.setattr(checkpoint.Checkpoint, "on_epoch_end", dying)
        with pytest.raises(Killed):
            trained("budget", **budget)
    assert planned == [1]  # the least, as a thousandth of a second holds none
    # Resumed, nothing is timed again; and what was timed has left no trace in the weights.
    found, cost = trained("budget", resume=True, **budget)
    assert planned == [1] and cost["epochs_planned"] == cost["epochs"] == 3
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="max_seconds"):
        dataclasses.replace(kf.training.TrainingConfig(), max_seconds=0)
