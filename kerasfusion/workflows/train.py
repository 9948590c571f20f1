"""A whole training: the model, its baselines on the same data and budget, the report, the run's folder."""

import contextlib
import dataclasses
import logging
import platform
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from kerasfusion import __version__
from kerasfusion.evaluation import evaluate_models, predict_logits
from kerasfusion.evaluation.predict import restrict_schema
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.files import atomic_write, write_json
from kerasfusion.models import EncodedModel
from kerasfusion.progress import progress
from kerasfusion.training import Run, TrainingConfig, from_preset, load
from kerasfusion.transfer import enable_lora, transfer_weights
from kerasfusion.workflows.classical import fit_classical
from kerasfusion.workflows.distillation import Teacher
from kerasfusion.workflows.model_families import default_model
from kerasfusion.workflows.read_for_model import read_for_model
from kerasfusion.workflows.reference_inputs import save_reference_inputs
from kerasfusion.workflows.reload import load_arguments
from kerasfusion.workflows.report import PAGE, draw_report, write_report
from kerasfusion.workflows.run_folder import open_run
from kerasfusion.workflows.train_models import train_all
from kerasfusion.zoo import create_model, get_entry

logger = logging.getLogger(__name__)

# Decisions on the test split, the labelled rows in their order: "<task>/<model or baseline>" -> array.
ANSWERS_FILE = "test_answers.npz"


def train(
    data,
    model=None,
    output_dir="runs/run",
    config=None,
    baselines=True,
    callbacks=(),
    verbose=1,
    overwrite=False,
    resume=False,
    init_from=None,
    lora=None,
    distillation=None,
    **changes,
):
    """Train a model and everything it has to beat, and write the run's folder.

    Baselines: text only and image only are the model's own branches, trained with the same settings; late average is
    the mean of these two; bag of words with a linear model (`kf.evaluation.BagOfWords`) is fitted in seconds; lookups
    need no training. In retrieval, a model has to beat chance; a captioner, the most frequent caption and that of the
    most similar image. The test split is read once, at the end.

    To resume a run that was interrupted (Ctrl-C, a kill, a crash), repeat the call with `resume=True`: finished
    models are read back, and the one in training ends as if nothing had happened. Until then `kf.load` gives the best
    weights so far.

    Args:
        data: What `kf.data.load` returned.
        model: A name in the zoo; None chooses one by the data (`kf.workflows.default_model`). Data is read again
            where the model wants other tokens or another image size, and the user gave none.
        output_dir: The run's folder.
        config: A `TrainingConfig`; None uses its defaults.
        baselines: Train the single-modality baselines and the classical ones as well.
        callbacks: Keras callbacks for the training of the model, such as `keras.callbacks.TensorBoard`; the baselines
            are trained without.
        verbose: Whether to log progress (0 or False: silent).
        overwrite: Replace a folder that holds a run.
        resume: Go on with the interrupted run in `output_dir`; without one, begin. A finished run is read back.
        init_from: A preset (`kf.from_preset`) or a run's folder: weights that the model starts from, where it has a
            place for them (`kf.transfer.transfer_weights`). The baselines start from scratch.
        lora: A `LoRAConfig`: train low-rank updates of the weights of `init_from`, and the heads, instead of all
            weights (`kf.transfer.enable_lora`). They are merged in the run's model.
        distillation: A `DistillationConfig`: learn the predictions of a teacher run beside the labels
            (`kf.transfer.distill`). The teacher may take more inputs than the model, another vocabulary and another
            image size, but has the same classes. The model is saved without it. Baselines are then the same model
            without a teacher, and the single modalities of a model that takes several.
        **changes: Settings of the model to change, as for `kf.create_model`.

    Returns:
        Run

    Raises:
        FileExistsError: `output_dir` exists and is not to be replaced, or holds something else than a run.
        FolderInUseError: Another process trains into `output_dir`.
        ImportError: captions without the extra `[caption]`, which scores them.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was written.
        ValueError: `pretrained_embeddings` for a model that reads no text, `image_weights` for one without images or
            whose image encoder there are none for; `init_from` a run that has nothing in common with the model;
            `lora` without `init_from`, or of a rank larger than a layer; a teacher of other tasks or classes, or that
            needs what the data lacks; `resume` with other data, another model, teacher or config than the interrupted
            run's.

    Example:

    ```python
    run = kf.train(data, model="classifier_gated", output_dir="runs/pets")
    print(run.metrics["tasks"]["label"]["verdict"])
    ```
    """
    config = config or TrainingConfig()
    model = model or default_model(data)[0]
    data = read_for_model(data, model)
    for pretrained, kind in (("pretrained_embeddings", "text"), ("image_weights", "image")):
        if pretrained in changes and kind not in get_entry(model).inputs:
            raise ValueError(f"{model} reads no {kind}, so {pretrained} would have no effect.")
    if lora is not None and init_from is None:
        raise ValueError("LoRA adapts the weights of a run: name it by init_from (--init-from).")
    # Before anything is written: it may be the very folder that is overwritten.
    parent = None if init_from is None else from_preset(init_from)
    teacher = None
    if distillation is not None:
        teacher = Teacher(distillation, data)
        data = teacher.noted(data)
    run_config = {
        "model": model,
        "changes": changes,
        "training": dataclasses.asdict(config),
        "baselines": baselines,
        "init_from": None if init_from is None else str(init_from),
        "lora": None if lora is None else dataclasses.asdict(lora),
        "distillation": None if teacher is None else teacher.config,
        "source": data.source,
        "load": load_arguments(data),
        "slice_by": data.columns.slice_by,
        "data": {name: split.fingerprint() for name, split in data.splits.items()},
        "kerasfusion": __version__,
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    for task in data.schema.tasks:
        TASKS[task.type].require_scorers()

    def make():
        made = create_model(model, data.schema, **changes)
        if parent is not None:
            status = transfer_weights(made, parent.model, data.schema, parent.schema)["status"]
            counts = ", ".join(f"{count} {what}" for what, count in status.value_counts().items())
            logger.info(f"Weights from {init_from}: {counts}")
        if lora is not None:
            logger.info(f"Rank {lora.rank}: {enable_lora(made, lora.rank, budget=lora.budget)}")
        return made

    with (
        progress(verbose),
        _feature_folder(data, model, changes) as data,
        open_run(output_dir, run_config, overwrite, resume) as output_dir,
    ):
        if (output_dir / "metrics.json").exists():
            return _finished(output_dir, data)
        data.schema.save(output_dir / "schema.json")
        save_reference_inputs(output_dir / "reference_inputs.npz", data)
        if teacher is not None:
            logger.info(str(teacher))
        settings = {"verbose": verbose, "resume": resume}
        models, costs = train_all(make, data, output_dir, run_config, config, teacher, callbacks, settings)
        classical = fit_classical(data, output_dir).predict if baselines else None
        logger.info("Scoring on the test split")
        test, known, slice_by = data.splits["test"], data.splits["train"], data.columns.slice_by
        found = evaluate_models(models, test, known, slice_by, classical)
        metrics = _metrics(models[model], found, data, model, costs)
        answers = {f"{task}/{name}": part for task in found for name, part in found[task].answers.items()}
        with atomic_write(output_dir / ANSWERS_FILE) as temporary:
            np.savez_compressed(temporary, **answers)
        # `kf.load` takes a folder for a finished run by this file. The report follows, as it may fail.
        write_json(output_dir / "metrics.json", metrics)
        write_report(output_dir, models[model], found, data)
        return Run(output_dir, data.schema, models[model], run_config, metrics)


@contextlib.contextmanager
def _feature_folder(data, model, changes):
    """The data with a temporary folder for pooled features of frozen networks, unless the user gave a folder.

    The model, its baselines and the report then compute them once.
    """
    if not get_entry(model).load or data.splits["train"].cache_dir is not None:
        yield data
        return
    made = create_model(model, data.schema, **changes)
    frozen = made.cacheable().values() if isinstance(made, EncodedModel) else ()
    # A grid or all words would be too much for a temporary folder.
    if not (frozen and all(getattr(encoder, "global_pool", False) for encoder in frozen)):
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="kerasfusion_") as folder:
        splits = {name: dataclasses.replace(split, cache_dir=Path(folder)) for name, split in data.splits.items()}
        yield dataclasses.replace(data, splits=splits)


def _finished(output_dir, data):
    """A finished run read back, its report made where it is missing."""
    logger.info(f"{output_dir} is finished: nothing to resume.")
    run = load(output_dir)
    if not (output_dir / PAGE).exists():
        logger.info("Its report is missing and made now.")
        draw_report(run, data)
    return run


def _metrics(model, found, data, name, costs):
    """What goes into `metrics.json`."""
    return {
        "tasks": {task: task_report.to_dict() for task, task_report in found.items()},
        "model": name,
        "inputs": [feature.name for feature in restrict_schema(model, data.schema).features],
        "parameters": costs[name]["parameters"],
        "train_seconds": {name: round(cost["seconds"], 1) for name, cost in costs.items()},
        "epochs": {name: cost["epochs"] for name, cost in costs.items()},
        "best_epoch": {name: cost["best_epoch"] for name, cost in costs.items()},
        "predict_ms_per_row": _latency(model, data.splits["test"]),
        "rows": {name: len(split) for name, split in data.splits.items()},
        "skipped": data.skipped.counts,
        "notes": data.notes,
    }


def _latency(model, examples):
    """Milliseconds per row of `predict` on 256 rows, the second call."""
    writers = [task for task in examples.schema.tasks if TASKS[task.type].answers_alone]

    def answer(model, rows):
        return TASKS[writers[0].type].write(model, rows, writers[0]) if writers else predict_logits(model, rows)

    # Without a cache: the whole network is timed.
    some = dataclasses.replace(examples.take(np.arange(min(256, len(examples)))), cache_dir=None)
    answer(model, some)
    started = time.perf_counter()
    answer(model, some)
    return round((time.perf_counter() - started) * 1000 / len(some), 4)
