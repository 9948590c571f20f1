"""Choose the number of epochs for a CPU time budget, which does not depend on other load of the machine."""

import dataclasses
import math
import time

import keras
import numpy as np

from kerasfusion.training import fit

# Images of the timed run: a few seconds for the slowest fusions.
TIMED_IMAGES = 320


def plan_epochs(model, train, validation, config, seconds, output_dir):
    """Plan the number of epochs, and the share of images per epoch, that fit a budget of CPU seconds.

    A short run of three epochs is timed. The first includes tracing; the third is representative. The time is that of
    all threads of this process. With the number of epochs known in advance, the learning rate schedule ends with the
    budget.

    Args:
        model: A model like the one to be trained. The timed run trains it, so build a new one afterwards.
        train: Training `Examples` with one image feature.
        validation: Validation `Examples`.
        config: `TrainingConfig`. Its `epochs` are ignored.
        seconds: float, budget in CPU seconds.
        output_dir: Folder for the files of the timed run.

    Returns:
        tuple `(epochs, share)`. The share of images is chosen such that whole epochs fit the budget.
    """
    stamps = [time.process_time()]
    few = dataclasses.replace(config, epochs=3, patience=None)
    parts = some_images(train, TIMED_IMAGES, config.seed), some_images(validation, TIMED_IMAGES, config.seed)
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stamps.append(time.process_time()))
    fit(model, *parts, few, output_dir, callbacks=[clock], verbose=0)
    first, *_, last = np.diff(stamps[-4:])
    # Validation has no backward pass: about a third of the cost of training.
    rows = len(train) + len(validation) / 3
    epoch = last * rows / (len(parts[0]) + len(parts[1]) / 3)
    affordable = max(seconds - (first - last), epoch / 10) / epoch
    epochs = math.ceil(affordable)
    return epochs, affordable / epochs


def some_images(examples, count, seed=0):
    """Return the rows of `count` randomly chosen images; all rows if there are not more images."""
    (index,) = (examples.arrays[name] for name in examples.banks)
    images = np.unique(index)
    if count >= len(images):
        return examples
    chosen = np.random.default_rng(seed).choice(images, count, replace=False)
    return examples.take(np.flatnonzero(np.isin(index, chosen)))
