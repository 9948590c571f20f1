"""A training that is killed or interrupted, and resumed, ends as one that never was."""

import contextlib
import os
import signal
import time
import types

import keras
import numpy as np
import pytest
from tables import color_table

import kerasfusion as kf
from kerasfusion.training import checkpoint, fit
from kerasfusion.training.callbacks import SaveBest
from kerasfusion.training.signals import Interruption


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame = color_table(folder, rows=120)
    frame.attrs.update(folder=str(folder))
    return kf.data.load(frame, image="photo", text="description", label="color")


def train(data, out, resume=False, image_encoder="small_cnn", **config):
    keras.utils.set_random_seed(0)
    # The seeds of dropout must come back too.
    model = kf.create_model("classifier_sum", data.schema, units=16, dropout=0.3, image_encoder=image_encoder)
    config = kf.training.TrainingConfig(
        **{"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "patience": None, **config}
    )
    cost = fit(model, data.splits["train"], data.splits["validation"], config, out, resume=resume)
    return model, cost


def kill_at(monkeypatch, owner, name, count):
    """Let the process "die" right after the `count`-th call of a callback's method."""
    before, calls = getattr(owner, name), []

    def dying(self, *arguments, **named):
        before(self, *arguments, **named)
        calls.append(name)
        if len(calls) == count:
            raise Killed

    monkeypatch.setattr(owner, name, dying)


def same(one, other):
    for a, b in zip(one[0].get_weights(), other[0].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in cost["history"]] for _, cost in (one, other)]
    assert len(rows[0]) == len(rows[1])
    for a, b in zip(*rows, strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-3, atol=1e-5)
    assert one[1]["best_epoch"] == other[1]["best_epoch"]


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def at_every_step(monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)
    monkeypatch.setattr(checkpoint, "TIMES_ITS_COST", 0)


@pytest.mark.slow
def test_a_training_killed_again_and_again_ends_the_same(data, uninterrupted, tmp_path, monkeypatch, at_every_step):
    moments = [
        (checkpoint.Checkpoint, "_write", 1),  # within the first epoch
        (SaveBest, "on_epoch_end", 1),  # between the best model and the checkpoint that knows of it
        (checkpoint.Checkpoint, "on_epoch_end", 1),  # between two epochs
        (checkpoint.Checkpoint, "on_train_batch_end", 1),  # within the second epoch
    ]
    for moment in moments:
        with monkeypatch.context() as dying:
            kill_at(dying, *moment)
            with pytest.raises(Killed):
                train(data, tmp_path, resume=True)
    same(train(data, tmp_path, resume=True), uninterrupted)


@pytest.mark.slow
def test_image_major_batches_resume_too(data, tmp_path, monkeypatch, at_every_step):
    settings = {"image_major": True, "epochs": 2, "modality_dropout": 0.5}
    whole = train(data, tmp_path / "whole", **settings)
    with monkeypatch.context() as dying:
        kill_at(dying, checkpoint.Checkpoint, "on_train_batch_end", 1)
        with pytest.raises(Killed):
            train(data, tmp_path / "killed", **settings)
    same(train(data, tmp_path / "killed", True, **settings), whole)


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before(data, uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as full:
        savez, calls = np.savez, []

        def filling(file, **arrays):
            calls.append(file)
            if len(calls) == 2:
                file.write(b"half a checkpoint")
                raise OSError(28, "No space left on device")
            savez(file, **arrays)

        full.setattr(np, "savez", filling)
        # However slow the disk is, every epoch writes.
        full.setattr(checkpoint, "EPOCH_TIMES_ITS_COST", 0)
        with pytest.raises(OSError, match="No space left"):
            train(data, tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.npz"]
    same(train(data, tmp_path, resume=True), uninterrupted)


@pytest.mark.slow
def test_early_stopping_is_remembered(data, tmp_path, monkeypatch):
    settings = {"epochs": 30, "learning_rate": 0.5, "patience": 1}
    whole = train(data, tmp_path / "whole", **settings)
    assert whole[1]["epochs"] < 30
    with monkeypatch.context() as dying:
        kill_at(dying, checkpoint.Checkpoint, "on_epoch_end", whole[1]["epochs"])
        with pytest.raises(Killed):
            train(data, tmp_path / "killed", **settings)
    same(train(data, tmp_path / "killed", True, **settings), whole)


@pytest.mark.parametrize(
    "cost, stopped, asked, written",
    [(10, False, False, 0), (0, False, False, 1), (10, True, False, 1), (10, False, True, 1)],
)
def test_epochs_short_beside_writing_share_a_checkpoint(tmp_path, monkeypatch, cost, stopped, asked, written):
    state = types.SimpleNamespace
    kept = checkpoint.Checkpoint(tmp_path / "last.npz", None, None, state(asked=asked))
    kept.set_model(state(stop_training=stopped))
    kept._cost, calls = cost, []
    monkeypatch.setattr(kept, "_write", lambda: calls.append(kept.epoch))
    with contextlib.nullcontext() if not asked else pytest.raises(KeyboardInterrupt):
        kept.on_epoch_end(0)
    assert len(calls) == written


def test_a_checkpoint_of_another_model_is_refused(data, tmp_path, monkeypatch):
    with monkeypatch.context() as dying:
        kill_at(dying, checkpoint.Checkpoint, "on_epoch_end", 1)
        with pytest.raises(Killed):
            train(data, tmp_path)
    with pytest.raises(ValueError, match="written for another model"):
        train(data, tmp_path, resume=True, image_encoder="residual_cnn")


def test_an_interruption_waits_for_the_step(data, uninterrupted, tmp_path, monkeypatch):
    before, said = checkpoint.Checkpoint.on_train_batch_end, []

    def interrupted(self, batch, logs=None):
        if self.epoch == 1 and not said:
            os.kill(os.getpid(), signal.SIGINT)
            said.append(self.interruption.asked)
        before(self, batch, logs)

    with monkeypatch.context() as pressing:
        pressing.setattr(checkpoint.Checkpoint, "on_train_batch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path)
    assert said == [True]
    with np.load(tmp_path / "checkpoints" / "last.npz") as kept:
        assert '"epoch": 1, "step": 8' in str(kept["state"])
    assert keras.saving.load_model(tmp_path / "model.keras").count_params() > 0
    same(train(data, tmp_path, resume=True), uninterrupted)


def test_the_second_signal_stops_at_once():
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.asked
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outside)
