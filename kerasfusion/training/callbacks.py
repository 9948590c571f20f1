"""What happens at the end of an epoch: a line for people, the best weights, the history."""

import csv
import logging
import math
import time
from pathlib import Path

import keras
import numpy as np

from kerasfusion.files import atomic_write

logger = logging.getLogger(__name__)


class SaveBest(keras.callbacks.Callback):
    """Keep the plain model whenever it is the best so far on the validation split, and stop when it is no longer.

    That is told by the loss; for a match by the recall, which goes on rising after the loss, with what it says of the
    temperature, has begun to.

    The weights are kept in memory. `write`, which is called with every checkpoint, puts them into the file: writing a
    network with a pretrained encoder takes longer than an epoch on its cached features.

    The model trained may be a training wrapper, which shares the plain model's weights and cannot be saved.

    Args:
        model: The plain `keras.Model`.
        path: Where to write it, a `.keras` file.
        patience: Stop after so many epochs without a better model; None never stops early.
        since: Epochs before this one, counted from 0, are not looked at.
    """

    def __init__(self, model, path, patience=None, since=0):
        super().__init__()
        self.plain = model
        self.path = Path(path)
        self.patience = patience
        self.since = since
        self.best = float("inf")
        self.best_epoch = -1
        self._weights = None
        self._written = True

    def on_epoch_end(self, epoch, logs=None):
        if epoch < self.since:
            return
        figure = -logs["val_recall"] if "val_recall" in logs else logs["val_loss"]
        if figure < self.best and not math.isnan(logs["val_loss"]):
            self.best, self.best_epoch = figure, epoch
            self._weights, self._written = _copied(self.plain), False
        elif self.patience is not None and epoch - max(self.best_epoch, self.since - 1) >= self.patience:
            self.model.stop_training = True

    def write(self):
        """Write the best weights to the file, unless it has them."""
        if self._written:
            return
        current = _copied(self.plain)
        _assign(self.plain, self._weights)
        save_whole(self.plain, self.path)
        _assign(self.plain, current)
        self._written = True

    def restore(self):
        """Give the model its best weights: those in memory, or the file's where a resumed training found no better.

        Not by way of a model made from the file: Keras leaves out of it what `kf.transfer.enable_lora` adds.
        """
        self.write()
        if self._weights is None:
            self.plain.load_weights(self.path)
        else:
            _assign(self.plain, self._weights)


class History(keras.callbacks.Callback):
    """Write `history.csv` after every epoch and log one line about it.

    Args:
        path: The CSV file; columns are `epoch`, `seconds` and everything Keras logs.
        epochs: Number of epochs, for the line.

    Attributes:
        rows: The rows so far. `seconds` counts from when this is made.
        seconds_before: Seconds of training before an interruption.
    """

    def __init__(self, path, epochs):
        super().__init__()
        self.path = Path(path)
        self.epochs = epochs
        self.rows = []
        self.seconds_before = 0.0
        self.started = time.perf_counter()

    def seconds(self):
        """Seconds of training so far, those before an interruption included."""
        return self.seconds_before + time.perf_counter() - self.started

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.seconds()
        self.rows.append({"epoch": epoch + 1, "seconds": round(seconds, 3), **{k: float(v) for k, v in logs.items()}})
        with atomic_write(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)
        shown = [k for k in logs if "loss" in k or "accuracy" in k or k.endswith("mae")]
        # One task logs its loss twice, as its own and as the total.
        shown = [k for k in shown if not (k.endswith("_loss") and k not in ("val_loss",) and "loss" in logs)]
        figures = "  ".join(f"{k} {float(logs[k]):.4f}" for k in shown)
        logger.info(f"  epoch {epoch + 1}/{self.epochs}  {seconds:6.1f} s  {figures}")


def _copied(model):
    return [np.array(variable) for variable in model.variables]


def _assign(model, weights):
    for variable, value in zip(model.variables, weights, strict=True):
        variable.assign(value)


def save_whole(model, path):
    """Write a `.keras` file atomically: half a model is never taken for a whole one."""
    with atomic_write(path) as temporary:
        model.save(temporary)
