"""Everything a training goes on from, in one file: killed and resumed, it ends where it would have ended."""

import json
import time
from pathlib import Path

import keras
import numpy as np

from kerasfusion.files import atomic_write

# At least so many seconds between two checkpoints within an epoch, and so many times what the last one took.
SECONDS = 60.0
TIMES_ITS_COST = 20
# The same at the end of an epoch, unless `SECONDS` have passed.
EPOCH_TIMES_ITS_COST = 5


class Checkpoint(keras.callbacks.Callback):
    """Write where training is, after epochs and within long ones, and put it back.

    Epochs that are short beside writing share a checkpoint, so that it takes a small part of the time.

    Kept are all variables (weights, optimizer, seeds of dropout, and within an epoch the metrics so far), the next
    step, the best loss and the history. Keras's `BackupAndRestore` restores the epoch alone, so that batches are
    trained on twice after a kill within it.

    Args:
        path: The file, `.npz`. It is replaced as a whole: a kill while writing leaves the one before.
        best: The `SaveBest` whose state is kept; its file is written first.
        history: The `History` whose rows are kept.
        interruption: An `Interruption`; once it is asked for, `KeyboardInterrupt` follows the next checkpoint.

    Attributes:
        epoch: The epoch that training goes on with.
        step: Steps of that epoch that are done.
        stopped: Whether training had ended (by early stopping or a loss that is no number).
    """

    def __init__(self, path, best, history, interruption):
        super().__init__()
        self.path = Path(path)
        self.best = best
        self.history = history
        self.interruption = interruption
        self.epoch = self.step = 0
        self.stopped = False
        self._first_step = 0
        self._metrics = None
        self._written, self._cost = time.monotonic(), 0.0

    def restore(self, model, batches):
        """Put a compiled model into the state of the file, and the batches to the step that comes next.

        Args:
            model: The compiled model that is trained.
            batches: The training `BatchedDataset`, for their first step and to give the metrics their variables.

        Raises:
            ValueError: the file was written for another model.
        """
        with np.load(self.path) as kept:
            state = json.loads(str(kept["state"]))
            arrays = {kind: [kept[f"{kind}/{i}"] for i in range(n)] for kind, n in state["counts"].items()}
        model.optimizer.build(model.trainable_variables)
        if state["step"]:
            # Metrics get their variables when they first see a batch.
            model.evaluate(batches.dataset().take(1), verbose=0)
            self._metrics = arrays["metrics"]
        _assign(model.variables, arrays["model"], self.path)
        _assign(model.optimizer.variables, arrays["optimizer"], self.path)
        self.epoch, self.step, self.stopped = state["epoch"], state["step"], state["stopped"]
        self.best.best, self.best.best_epoch = state["best"], state["best_epoch"]
        self.history.rows = state["history"]
        self.history.seconds_before = state["seconds"]
        batches.first_step = self._first_step = self.step

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.step = epoch, self._first_step
        if self._metrics is not None:
            _assign(self.model.metrics_variables, self._metrics, self.path)
            self._metrics = None

    def on_train_batch_end(self, batch, logs=None):
        self.step = self._first_step + batch + 1
        waited = time.monotonic() - self._written
        due = waited > max(SECONDS, TIMES_ITS_COST * self._cost)
        # After the last step, the checkpoint is that of the epoch's end.
        if (due or self.interruption.asked) and self.step < self._first_step + self.params["steps"]:
            self._write()
            self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.step, self._first_step = epoch + 1, 0, 0
        self.stopped = self.model.stop_training
        waited = time.monotonic() - self._written
        due = waited > min(SECONDS, EPOCH_TIMES_ITS_COST * self._cost)
        if due or self.stopped or self.interruption.asked:
            self._write()
            self._stop_if_asked()

    def _stop_if_asked(self):
        if self.interruption.asked:
            raise KeyboardInterrupt

    def _write(self):
        started = time.monotonic()
        self.best.write()
        variables = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        if self.step:
            variables["metrics"] = self.model.metrics_variables
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "stopped": self.stopped,
            "best": self.best.best,
            "best_epoch": self.best.best_epoch,
            "history": self.history.rows,
            "seconds": self.history.seconds(),
            "counts": {kind: len(some) for kind, some in variables.items()},
        }
        arrays = {f"{kind}/{i}": v.numpy() for kind, some in variables.items() for i, v in enumerate(some)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, state=json.dumps(state), **arrays)
        self._written = time.monotonic()
        self._cost = self._written - started


def _assign(variables, arrays, path):
    shapes, kept = [tuple(v.shape) for v in variables], [a.shape for a in arrays]
    if shapes != kept:
        raise ValueError(
            f"{path} was written for another model: it has {len(kept)} variables of other shapes than the "
            f"{len(shapes)} here. Resume with the settings of the interrupted training, or start again."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
