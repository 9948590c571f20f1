import importlib.util
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.training import TrainingConfig

PATH = Path(__file__).parents[2] / "experiments" / "cpu_budget.py"
spec = importlib.util.spec_from_file_location("cpu_budget", PATH)
cpu_budget = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu_budget)
plan_epochs, some_images = cpu_budget.plan_epochs, cpu_budget.some_images


class Rows:
    """What is used of `Examples`: rows of images."""

    def __init__(self, images):
        self.arrays = {"image": np.asarray(images)}
        self.banks = {"image": None}

    def __len__(self):
        return len(self.arrays["image"])

    def take(self, rows):
        return Rows(self.arrays["image"][rows])


def test_some_images_with_all_their_rows():
    rows = Rows(np.repeat(np.arange(50), 3))
    some = some_images(rows, 10)
    assert len(some) == 30 and len(np.unique(some.arrays["image"])) == 10
    np.testing.assert_array_equal(some.arrays["image"], some_images(rows, 10).arrays["image"])
    assert set(some.arrays["image"]) != set(some_images(rows, 10, seed=1).arrays["image"])
    assert some_images(rows, 50) is rows


@pytest.mark.parametrize(
    "seconds, epochs, share",
    # Tracing takes 8 seconds. 3200 + 640 / 3 rows take 2 seconds, so 32000 + 6400 / 3 take 20.
    [(108, 5, 1.0), (98, 5, 0.9), (28, 1, 1.0), (18, 1, 0.5), (1, 1, 0.1)],
)
def test_plan(monkeypatch, tmp_path, seconds, epochs, share):
    clock = iter([100.0, 110.0, 112.5, 114.5])
    monkeypatch.setattr(cpu_budget.time, "process_time", lambda: next(clock))

    def fit(model, train, validation, config, out, callbacks, verbose):
        assert (model, config.epochs, config.seed, out) == ("model", 3, 4, tmp_path)
        assert (len(train), len(validation)) == (3200, 640)
        for epoch in range(3):
            callbacks[0].on_epoch_end(epoch, {})

    monkeypatch.setattr(cpu_budget, "fit", fit)
    train, validation = Rows(np.repeat(np.arange(3200), 10)), Rows(np.repeat(np.arange(3200), 2))
    found = plan_epochs("model", train, validation, TrainingConfig(seed=4), seconds, tmp_path)
    assert found == (epochs, pytest.approx(share))
