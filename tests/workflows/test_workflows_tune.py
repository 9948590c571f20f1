"""`kf.tune` and `kerasfusion tune`: the search's account of trials and time, and a winner that is a run."""

import importlib
import json
import sys
import time

import pandas as pd
import pytest
from click.testing import CliRunner
from tables import color_table

import kerasfusion as kf
from kerasfusion import cli
from kerasfusion.training import checkpoint

pytest.importorskip("keras_tuner")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    # Texts alone: less to train.
    color_table(folder, rows=60)[["description", "color"]].to_csv(folder / "pets.csv", index=False)
    return folder / "pets.csv"


@pytest.fixture(scope="module")
def data(table):
    return kf.data.load(table, text="description", label="color")


@pytest.mark.slow
def test_the_command_interrupted_and_gone_on_with(table, tmp_path, monkeypatch):
    out = tmp_path / "tuned"
    columns = ["--text", "description", "--label", "color", "--batch-size", 16]
    tried = ["--text-encoders", "bag_of_words", "--units", "4"]
    command = [str(a) for a in ("tune", table, *columns, *tried, "--minutes", 0.001, "--output-dir", out)]
    before = checkpoint.Checkpoint.on_epoch_end

    def pressing(self, epoch, logs=None):
        self.interruption.asked = True
        before(self, epoch, logs)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(checkpoint.Checkpoint, "on_epoch_end", pressing)
        stopped = CliRunner().invoke(cli.app, command)
    assert stopped.exit_code == 130 and "with --resume goes on from here" in stopped.output
    spent = json.loads((out / "search" / "spent.json").read_text())
    assert spent["seconds"] > 0.06 and not spent["done"]
    assert isinstance(CliRunner().invoke(cli.app, command).exception, FileExistsError)

    done = CliRunner().invoke(cli.app, [*command, "--resume"])
    assert done.exit_code == 0, done.output
    assert "going on from epoch 2, step 1" in done.output  # the only epoch was done
    # The time had been spent: the trial that was begun is the only one.
    trials = pd.read_csv(out / "search" / "trials.csv")
    assert len(trials) == 1 and trials["units"][0] == 4 and trials["error"].isna().all()
    run = kf.load(out / "run")
    assert run.config["model"] == "wide_deep" and run.config["changes"]["text_encoder"] == "bag_of_words"
    assert run.config["training"]["learning_rate"] == pytest.approx(trials["learning_rate"][0], rel=1e-4)
    assert run.config["training"]["epochs"] == 1 and run.config["training"]["max_seconds"] is None
    # The same training again: the loss that won is that of the run.
    assert pd.read_csv(out / "run" / "history.csv")["val_loss"].min() == pytest.approx(trials["score"][0], rel=1e-3)


@pytest.fixture
def no_width_3(monkeypatch):
    """A width that is allowed, but of which no model can be made."""
    tune = importlib.import_module("kerasfusion.workflows.tune")
    create = tune.create_model

    def created(*arguments, units, **settings):
        if units == 3:
            raise ValueError("no model of width 3")
        return create(*arguments, units=units, **settings)

    monkeypatch.setattr(tune, "create_model", created)


@pytest.mark.slow
@pytest.mark.usefixtures("no_width_3")
def test_the_search_keeps_account_of_trials_failures_and_time(data, tmp_path, monkeypatch, messages):
    tune, fits, finals = importlib.import_module("kerasfusion.workflows.tune"), [], []

    def fit(model, train, validation, config, folder, **_):
        """A training that takes a moment and whose loss is the distance of the learning rate from 0.001."""
        (folder / "checkpoints").mkdir()
        (folder / "model.keras").touch()
        fits.append(config)
        time.sleep(0.1)
        score = abs(config.learning_rate - 0.001)
        history = [{"val_loss": 1.0}, {"val_loss": score}]
        return {
            **{"seconds": 0.1, "epochs": 2, "epochs_planned": 7, "best_epoch": 2, "parameters": 5},
            "history": history,
        }

    def train(data, name, out, config, **settings):
        finals.append((name, config, settings))

    monkeypatch.setattr(tune, "fit", fit)
    monkeypatch.setattr(tune, "train", train)
    choices = {"text_encoder": ["average", "bag_of_words"], "units": [4, 3]}
    settings = dict(output_dir=tmp_path, minutes=0.1, choices=choices)
    found = kf.tune(data, **settings)
    failed = found.trials["error"].notna()
    assert set(found.trials[failed]["units"]) == {3} and set(found.trials[~failed]["units"]) == {4}
    assert (
        failed.any()
        and len(fits) == (~failed).sum() >= 2
        and found.trials["score"].iloc[0] == found.trials["score"].min()
    )
    assert found.trials["score"][~failed].is_monotonic_increasing
    assert {config.max_seconds for config in fits} == {0.1 * 60 / 12}
    assert sum(line.startswith("  failed: ") for line in messages) == failed.sum()
    (name, config, final), best = finals[0], found.trials.iloc[0]
    assert (
        name == kf.workflows.default_model(data)[0]
        and config.epochs == 7
        and final["text_encoder"] == best["text_encoder"]
    )
    assert config.learning_rate == pytest.approx(best["learning_rate"]) and final["units"] == 4

    # Gone on with, a finished search is not searched again; another one is refused.
    assert len(kf.tune(data, **settings, resume=True).trials) == len(found.trials)
    with pytest.raises(ValueError, match="differs from then: minutes"):
        kf.tune(data, **{**settings, "minutes": 1}, resume=True)


@pytest.mark.usefixtures("no_width_3")
def test_nothing_that_works_is_said(data, tmp_path):
    with pytest.raises(ValueError, match=r"10 trials in a row failed. no model of width 3"):
        kf.tune(data, tmp_path, minutes=0.2, choices={"units": [3]})


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"text_encoder": ["reading"]}, r"text_encoder: there is no \['reading'\]"),
        ({"width": [4]}, "There is no choice of width"),
        ({"units": []}, "units: "),
    ],
)
def test_unknown_choices(data, tmp_path, choices, said):
    with pytest.raises(ValueError, match=said):
        kf.tune(data, tmp_path / "tuned", choices=choices)
    assert not (tmp_path / "tuned").exists()


def test_without_the_extra(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(ImportError, match=r"kerasfusion\[tune\]"):
        kf.tune(data, tmp_path / "tuned")
