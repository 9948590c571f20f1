"""`kf.train` and the command line, interrupted and resumed."""

import json
import sys

import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.training import checkpoint


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    color_table(folder, rows=60).to_csv(folder / "pets.csv", index=False)
    return folder / "pets.csv"


def arguments(table, out, *more):
    columns = ["--image", "photo", "--text", "description", "--label", "color"]
    model = ["--model", "classifier_lstm", "--epochs", 2, "--class-weight", "balanced"]
    return "train", table, *columns, *model, "--output-dir", out, *more


def interrupt(monkeypatch, epochs):
    """Ctrl-C in the so many-th epoch of the whole command, baselines counted along."""
    before, seen = checkpoint.Checkpoint.on_epoch_end, []

    def pressing(self, epoch, logs=None):
        seen.append(epoch)
        self.interruption.asked = len(seen) == epochs
        before(self, epoch, logs)

    monkeypatch.setattr(checkpoint.Checkpoint, "on_epoch_end", pressing)


@pytest.mark.slow
def test_an_interrupted_command_is_usable_and_resumes(table, tmp_path, monkeypatch):
    whole = run(*arguments(table, tmp_path / "whole"))
    assert whole.exit_code == 0, whole.output
    out = tmp_path / "run"
    with monkeypatch.context() as pressing:
        interrupt(pressing, 1)
        stopped = run(*arguments(table, out))
    assert stopped.exit_code == 130
    assert f"best model so far can be used by evaluate, predict and export {out}" in stopped.output
    with pytest.warns(UserWarning, match="was interrupted: this is its best model so far"):
        loaded = kf.load(out)
    assert loaded.metrics == {}
    assert set(loaded.predict([{"photo": "photos/0.png", "description": "red"}], table.parent)) >= {"label"}
    assert kf.verify(kf.export(loaded, tmp_path / "served")).ok

    with monkeypatch.context() as pressing:
        interrupt(pressing, 2)  # the second epoch of the model, the first of a baseline
        assert run(*arguments(table, out, "--resume")).exit_code == 130
    assert (out / "training.json").exists()
    assert len(list(out.glob("baselines/*/checkpoints/last.npz"))) == 1

    again = run(*arguments(table, out))
    assert isinstance(again.exception, FileExistsError) and "--resume to go on" in str(again.exception)
    other = run(*arguments(table, out, "--resume", "--batch-size", 8))
    assert isinstance(other.exception, ValueError) and "batch_size (then 64, now 8)" in str(other.exception)

    resumed = run(*arguments(table, out, "--resume"))
    assert resumed.exit_code == 0, resumed.output
    assert "classifier_lstm is trained already" in resumed.output and "going on from epoch 2" in resumed.output
    found, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (out, tmp_path / "whole"))
    assert found["tasks"]["label"]["scores"] == expected["tasks"]["label"]["scores"]
    assert found["best_epoch"] == expected["best_epoch"] and found["epochs"] == expected["epochs"]
    assert not list(out.rglob("checkpoints")) and [path.name for path in out.rglob(".*")] == [".kerasfusion.json"]
    finished = run(*arguments(table, out, "--resume"))
    assert finished.exit_code == 0 and "is finished: nothing to resume" in finished.output


def test_a_run_that_never_began_is_no_obstacle(table, tmp_path, monkeypatch):
    data = kf.data.load(table, image="photo", text="description", label="color")
    with pytest.raises(ValueError, match="classifier_lstm"):
        kf.train(data, model="classifier_lstn", output_dir=tmp_path / "other")
    assert not (tmp_path / "other" / "model.keras").exists()
    monkeypatch.setattr(sys.modules["kerasfusion.workflows.train_models"], "fit", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # not FileExistsError
        kf.train(data, model="classifier_lstm", output_dir=tmp_path / "other")
