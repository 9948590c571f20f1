"""Epochs that a budget of CPU time pays for. Unlike the clock, CPU time is the same on a busy machine."""

import dataclasses
import math
import time

import keras
import numpy as np

from kerasfusion.training import fit

# Images that are timed: a few seconds of the slowest fusions.
TIMED_IMAGES = 320


def plan_epochs(model, train, validation, config, seconds, output_dir):
    """Epochs, and the share of the images that each of them sees, that take about so many processor seconds.

    A short training of `model` is timed: its first epoch traces graphs, its third is one like all others. Both
    count. Processor seconds are those of all threads of this process. The learning rate's schedule can then end
    where the budget does, which is why the number of epochs has to be known before.

    Args:
        model: A model like the one to be trained; it is trained for a moment, so make another one after.
        train: Training `Examples`, with one image feature.
        validation: Validation `Examples`.
        config: The `TrainingConfig`, whose `epochs` do not matter.
        seconds: The budget.
        output_dir: Folder for the files of this short training.

    Returns:
        tuple: `(epochs, share)`; the share of the images is below 1 so that whole epochs fit the budget.
    """
    stamps = [time.process_time()]
    few = dataclasses.replace(config, epochs=3, patience=None)
    parts = some_images(train, TIMED_IMAGES, config.seed), some_images(validation, TIMED_IMAGES, config.seed)
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stamps.append(time.process_time()))
    fit(model, *parts, few, output_dir, callbacks=[clock], verbose=0)
    first, *_, last = np.diff(stamps[-4:])
    # Validation has no backward pass: a third of the work of training.
    rows = len(train) + len(validation) / 3
    epoch = last * rows / (len(parts[0]) + len(parts[1]) / 3)
    affordable = max(seconds - (first - last), epoch / 10) / epoch
    epochs = math.ceil(affordable)
    return epochs, affordable / epochs


def some_images(examples, count, seed=0):
    """The rows of so many images, chosen by chance; all rows where there are no more."""
    (index,) = examples.images.values()
    images = np.unique(index)
    if count >= len(images):
        return examples
    chosen = np.random.default_rng(seed).choice(images, count, replace=False)
    return examples.take(np.flatnonzero(np.isin(index, chosen)))
