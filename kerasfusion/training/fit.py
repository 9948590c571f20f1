"""`fit`: one training loop for fused models and for the baselines they are compared with."""

import logging
import math
import time
from pathlib import Path

import keras
import numpy as np

from kerasfusion.data.augmentation_choice import choose_augmentation
from kerasfusion.data.pipeline import BatchedDataset, shared_feature
from kerasfusion.evaluation.frozen_features import frozen_features
from kerasfusion.files import write_text
from kerasfusion.models import get_heads, plain_model
from kerasfusion.progress import progress
from kerasfusion.training.adalora import AFTER, rank_budget, reinitialize
from kerasfusion.training.backbone_rate import backbone_ratios
from kerasfusion.training.budget import epochs_within
from kerasfusion.training.callbacks import History, SaveBest
from kerasfusion.training.checkpoint import Checkpoint
from kerasfusion.training.compile import compile_model
from kerasfusion.training.signals import Interruption
from kerasfusion.training.wrapping import wrap_model

logger = logging.getLogger(__name__)

# BatchedDataset per call into TensorFlow: fewer returns to Python, still several updates of the figures per epoch.
STEPS_PER_EXECUTION = 8


def fit(
    model,
    train,
    validation,
    config,
    output_dir,
    callbacks=(),
    verbose=1,
    resume=False,
    checkpoint_model=None,
    wrappers=(),
):
    """Train a model and leave it with its best weights.

    While it runs, `output_dir/checkpoints/last.npz` holds all that is needed to go on from there. Ctrl-C and SIGTERM
    write it once more and raise `KeyboardInterrupt`; `output_dir/model.keras` then holds the best weights so far.

    Args:
        model: A plain model from `kf.create_model`, or a `TrainingWrapper` of one.
        train: Training `Examples`.
        validation: Validation `Examples`; the best weights are those with the lowest loss here, of a match those with
            the highest recall within a batch.
        config: A `TrainingConfig`.
        output_dir: Folder for `model.keras` (the best so far, as of the last checkpoint) and `history.csv`.
        callbacks: Further Keras callbacks, such as `keras.callbacks.TensorBoard`.
        verbose: Whether to log one line per epoch (0 or False: silent).
        resume: Go on from the checkpoint in `output_dir`, if there is one. With the same model, examples and config,
            no batch is repeated or lost: weights and history end as if training had never been interrupted.
        checkpoint_model: The model that goes into `output_dir/model.keras`, where it is another one that shares
            layers with `model`; None, the plain model.
        wrappers: How to train it besides: a function from a model to a `TrainingWrapper`, or a list of them, the
            innermost first. Unless one of them says how batches become outputs, a wrapper for that is put around
            them: contrastive for a match, captioning for captions, image-major where rows share images.

    Returns:
        dict: `seconds` of training, `epochs` run of `epochs_planned`, `best_epoch`, `parameters`, `history` (list of
        dicts per epoch).
    """
    with progress(verbose):
        return _fit(model, train, validation, config, output_dir, callbacks, resume, checkpoint_model, wrappers)


def _fit(model, train, validation, config, output_dir, callbacks, resume, checkpoint_model, wrappers):
    output_dir, checkpoint_model = Path(output_dir), checkpoint_model or plain_model(model)
    output_dir.mkdir(parents=True, exist_ok=True)
    shared_out, _ = rank_budget(model)
    features = {name for name in plain_model(model).input if not name.endswith("_present")}
    schema = train.schema
    # By all of the texts and classes, also where the model takes the image alone.
    augment = choose_augmentation(train, config.augmentation)[0] if config.augmentation else None
    train, validation = (
        balanced(examples, config.class_weight).with_features(_only(schema, features))
        for examples in (train, validation)
    )
    on_pixels, started = [train, validation], time.perf_counter()
    # Changed images would have changed features.
    splits = frozen_features(model, on_pixels, kinds=("text", "video") if augment else ("image", "text", "video"))
    train, validation = splits
    seconds_before = time.perf_counter() - started
    # Without tasks an image is given back, each time with its own text: nothing is asked of it several times.
    shared = bool(schema.tasks) and shares_images(train)
    together = config.image_major if config.image_major is not None else shared
    batches = {
        "train": BatchedDataset(
            train,
            config.batch_size,
            together,
            shuffle=True,
            seed=config.seed,
            augment=augment,
            modality_dropout=config.modality_dropout,
        ),
        "validation": BatchedDataset(validation, 4 * config.batch_size, together),
    }
    if config.modality_dropout and schema.is_paired:
        raise ValueError("A match takes an image and a text: leave modality dropout at 0.")
    micro_batch = config.micro_batch_size and config.micro_batch_size / config.batch_size
    # An optimizer of our own must not come into the model's file.
    changed = splits is not on_pixels or bool(shared_out) or bool(backbone_ratios(model, config))
    trained = wrap_model(model, wrappers, batches["train"], micro_batch, changed)
    steps = batches["train"].steps

    def compile_for(epochs):
        compile_model(
            trained,
            get_heads(trained),
            schema,
            config,
            total_steps=steps * epochs,
            steps_per_execution=min(STEPS_PER_EXECUTION, steps),
        )

    epochs = config.epochs
    if config.max_seconds is not None:
        # Beside the checkpoint: a resumed training must keep its plan, or its schedule would differ.
        plan = output_dir / "checkpoints" / "epochs.txt"
        if not (resume and plan.exists()):
            compile_for(epochs)
            left = config.max_seconds - seconds_before
            fitting = epochs_within(left, epochs, trained, batches["train"], batches["validation"])
            plan.parent.mkdir(exist_ok=True)
            write_text(plan, f"{fitting}\n")
        epochs = int(plan.read_text())
        logger.info(f"  {epochs} epoch(s) within {config.max_seconds:g} s")
    compile_for(epochs)
    # Before the last rank is taken away a model has more than it is to keep.
    since = max(0, math.ceil((1 - AFTER) * epochs) - 1) if shared_out else 0
    best = SaveBest(checkpoint_model, output_dir / "model.keras", config.patience, since)
    history = History(output_dir / "history.csv", epochs)
    history.started -= seconds_before
    with Interruption() as interruption:
        checkpoint = Checkpoint(output_dir / "checkpoints" / "last.npz", best, history, interruption)
        own = [
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: setattr(batches["train"], "epoch", epoch)),
            keras.callbacks.TerminateOnNaN(),
            best,
            history,
            checkpoint,
        ]
        if resume and checkpoint.path.exists():
            checkpoint.restore(trained, batches["train"])
            logger.info(f"  going on from epoch {checkpoint.epoch + 1}, step {checkpoint.step + 1} of {steps}")
        # A resumed epoch is shorter than the others, and Keras takes one length per call.
        ends = [checkpoint.epoch + 1, epochs] if checkpoint.step else [epochs]
        for end in ends:
            if checkpoint.stopped or checkpoint.epoch >= end:
                break
            trained.fit(
                batches["train"].dataset(),
                initial_epoch=checkpoint.epoch,
                epochs=end,
                shuffle=False,
                validation_data=batches["validation"].dataset(),
                callbacks=[*own, *callbacks],
                verbose=0,
            )
            batches["train"].first_step = 0
        if interruption.asked:
            best.write()
            # Asked for after the last checkpoint: what follows training would go on as if it had not been.
            raise KeyboardInterrupt
    if best.best_epoch < 0:
        raise ValueError(
            "Training diverged: the loss was not a number in the first epoch. Lower the learning rate "
            f"(it is {config.learning_rate}) or look for extreme values in the data."
        )
    best.restore()
    reinitialize(checkpoint_model)
    return {
        "seconds": history.seconds(),
        "epochs": len(history.rows),
        "epochs_planned": epochs,
        "best_epoch": best.best_epoch + 1,
        "parameters": checkpoint_model.count_params(),
        "history": history.rows,
    }


def shares_images(examples):
    """Whether rows share images (or videos) so often, twice each or more, that image-major batches save work."""
    shared = shared_feature(examples.schema)
    if shared is None or not examples.present[shared.name].any():
        return False
    shown = examples.arrays[shared.name]
    shown = shown[shown >= 0]
    return len(shown) >= 2 * len(np.unique(shown))


def balanced(examples, class_weight):
    """The examples with weights that make every class count alike, for tasks that have classes."""
    if class_weight is None:
        return examples
    weights = {}
    for task in examples.schema.tasks:
        weight = examples.weights[task.name]
        if task.one_class:
            codes = examples.labels[task.name].astype(int)
            counts = np.bincount(codes[weight > 0], minlength=2)
            weight = weight * ((weight > 0).sum() / np.maximum(counts, 1) / (counts > 0).sum())[codes]
        weights[task.name] = weight.astype("float32")
    return type(examples)(**{**vars(examples), "weights": weights})


def _only(schema, names):
    return type(schema)(tuple(f for f in schema.features if f.name in names), schema.tasks)
