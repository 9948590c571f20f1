"""A whole training: the model, its baselines on the same data and budget, the report, the run's folder."""

import dataclasses
import json
import logging
import platform
import time

import keras
import numpy as np

from kerasfusion import __version__
from kerasfusion.evaluation import calibrate, evaluate_models, predict_logits
from kerasfusion.evaluation.caption_scores import require_scorers
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.evaluation.predict import restrict_schema
from kerasfusion.files import atomic_write, write_json
from kerasfusion.models import late_average, unimodal
from kerasfusion.progress import progress
from kerasfusion.serving import reference
from kerasfusion.training import Run, TrainingConfig, fit, load, shares_images
from kerasfusion.training.callbacks import save_whole
from kerasfusion.training.model_file import load_model
from kerasfusion.training.strategy import precision
from kerasfusion.transfer import enable_lora, merge_lora, transfer_weights
from kerasfusion.workflows.distillation import Teacher
from kerasfusion.workflows.reload import load_arguments
from kerasfusion.workflows.report import PAGE, draw_report, write_report
from kerasfusion.workflows.run_folder import open_run, remove_checkpoints
from kerasfusion.zoo import create_model, get_entry

logger = logging.getLogger(__name__)

# Rows kept as raw inputs for the export's reference and warm-up.
REFERENCE_ROWS = 4
# Decisions on the test split, the labelled rows in their order: "<task>/<model or baseline>" -> array.
ANSWERS_FILE = "test_answers.npz"
REFERENCE_CANDIDATES = 32


def default_model(data):
    """The model used when none is named, and why: `(name, reason)`."""
    if _matches(data.schema):
        return "dual_lstm_cnn", "which image a text belongs to is learned"
    if _writes(data.schema):
        return "caption_attend", "captions are to be written"
    if not data.schema.of_kind("text"):
        return "image_only", "there is no text"
    if not data.schema.of_kind("image"):
        return "text_only", "there is no image"
    if shares_images(data.splits["train"]):
        return "vqa_film", f"{data.texts_per_image:.1f} texts share an image"
    return "classifier_gated", "every row has its own image"


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
    lora_budget=None,
    teacher=None,
    teacher_weight=None,
    teacher_temperature=None,
    **changes,
):
    """Train a model and everything it has to beat, and write the run's folder.

    Text only and image only are made of the model's own branches and trained with the same settings; late average is
    made of these two; the lookups need no training. A match (`kf.data.load(..., match=True)`) has to beat chance: a
    branch alone finds nothing. A captioner has to beat the commonest caption and that of the most similar image.
    The test split is read once, at the end.

    A run that was interrupted (Ctrl-C, a kill, a crash) is gone on with by the same call and `resume=True`: models
    that were done are read back, and the one in training ends as if nothing had happened. Until then `kf.load` gives
    the best weights so far.

    Args:
        data: What `kf.data.load` returned.
        model: A name in the zoo; None chooses one by the data.
        output_dir: The run's folder.
        config: A `TrainingConfig`; None uses its defaults.
        baselines: Train the single-modality baselines as well.
        callbacks: Keras callbacks for the training of the model, such as `keras.callbacks.TensorBoard`; the baselines
            are trained without.
        verbose: Whether to log progress (0 or False: silent).
        overwrite: Replace a folder that holds a run.
        resume: Go on with the interrupted run in `output_dir`; without one, begin. A finished run is read back.
        init_from: Folder of a run whose weights the model starts from, where it has a place for them
            (`kf.transfer.transfer_weights`). The baselines start anew.
        lora: Rank of the low-rank changes that are trained, besides the heads, in place of these weights
            (`kf.transfer.enable_lora`); the run's model has them merged. None trains all weights.
        lora_budget: Average rank that is left of `lora` in the end, where it is needed most (AdaLoRA).
        teacher: Folder of a run whose answers the model learns beside the labels (`kf.transfer.distill`). It may take
            more than the model does, other words and another size of images, but has the same classes. The model
            is saved as if there had been none. Baselines are then the same model without a teacher, and the single
            modalities of a model that takes several.
        teacher_weight: Weight of the teacher in the loss, None for 0.5; the labels have the rest.
        teacher_temperature: Of the teacher's and the model's logits, see `kf.losses.DistillationLoss`; None for 4.
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
            `lora` without `init_from`, or of a rank larger than a layer; `lora_budget` without `lora`; a `teacher` of
            other tasks or classes, or that needs what the data lacks, or its settings without it; `resume` with other
            data, another model, teacher or config than the interrupted run's.

    Example:

    ```python
    run = kf.train(data, model="classifier_gated", output_dir="runs/pets")
    print(run.metrics["tasks"]["label"]["verdict"])
    ```
    """
    config = config or TrainingConfig()
    model = model or default_model(data)[0]
    for pretrained, kind in (("pretrained_embeddings", "text"), ("image_weights", "image")):
        if pretrained in changes and kind not in get_entry(model).inputs:
            raise ValueError(f"{model} reads no {kind}, so {pretrained} would have no effect.")
    if lora is not None and init_from is None:
        raise ValueError("lora keeps what a run has learned: say which by init_from (--init-from).")
    if lora_budget is not None and lora is None:
        raise ValueError("lora_budget is what is left of a rank: say which by lora (--lora).")
    if teacher is None and (teacher_weight, teacher_temperature) != (None, None):
        raise ValueError("teacher_weight and teacher_temperature are of a teacher: name its run (--teacher).")
    # Before anything is written: it may be the very folder that is overwritten.
    parent = None if init_from is None else load(init_from)
    if teacher is not None:
        weight = 0.5 if teacher_weight is None else teacher_weight
        teacher = Teacher(teacher, data, weight, 4.0 if teacher_temperature is None else teacher_temperature)
        data = teacher.noted(data)
    run_config = {
        "model": model,
        "changes": changes,
        "training": dataclasses.asdict(config),
        "baselines": baselines,
        "init_from": None if init_from is None else str(init_from),
        "lora": lora,
        "lora_budget": lora_budget,
        "teacher": None if teacher is None else teacher.config,
        "source": data.source,
        "load": load_arguments(data),
        "type_column": data.columns.type,
        "data": {name: split.fingerprint() for name, split in data.splits.items()},
        "kerasfusion": __version__,
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    if _writes(data.schema):
        require_scorers()

    def make():
        made = create_model(model, data.schema, **changes)
        if parent is not None:
            status = transfer_weights(made, parent.model, data.schema, parent.schema)["status"]
            counts = ", ".join(f"{count} {what}" for what, count in status.value_counts().items())
            logger.info(f"Weights from {init_from}: {counts}")
        if lora is not None:
            logger.info(f"Rank {lora}: {enable_lora(made, lora, budget=lora_budget)}")
        return made

    with progress(verbose), open_run(output_dir, run_config, overwrite, resume) as output_dir:
        if (output_dir / "metrics.json").exists():
            return _finished(output_dir, data)
        data.schema.save(output_dir / "schema.json")
        save_reference_inputs(output_dir / "reference_inputs.npz", data)
        if teacher is not None:
            logger.info(str(teacher))
        settings = {"verbose": verbose, "resume": resume}
        models, costs = _train_all(make, data, output_dir, run_config, config, teacher, callbacks, settings)
        logger.info("Scoring on the test split")
        found = evaluate_models(models, data.splits["test"], data.splits["train"], data.columns.type)
        metrics = _metrics(models[model], found, data, model, costs)
        answers = {f"{task}/{name}": part for task in found for name, part in found[task].answers.items()}
        with atomic_write(output_dir / ANSWERS_FILE) as temporary:
            np.savez_compressed(temporary, **answers)
        # `kf.load` takes a folder for a finished run by this file. The report follows, as it may fail.
        write_json(output_dir / "metrics.json", metrics)
        write_report(output_dir, models[model], found, data)
        return Run(output_dir, data.schema, models[model], run_config, metrics)


def _finished(output_dir, data):
    """A finished run read back, its report made where it is missing."""
    logger.info(f"{output_dir} is finished: nothing to resume.")
    run = load(output_dir)
    if not (output_dir / PAGE).exists():
        logger.info("Its report is missing and made now.")
        draw_report(run, data)
    return run


def _train_all(make, data, output_dir, run_config, config, teacher, callbacks, settings):
    """The model and its baselines, name -> model, and what each cost."""
    model, baselines = run_config["model"], run_config["baselines"]
    models, costs = {}, {}
    with precision():

        def train_one(make, name, folder, teacher=None, callbacks=()):
            models[name], costs[name] = _train_one(
                make, name, data, config, folder, teacher, callbacks=callbacks, **settings
            )
            return models[name]

        train_one(make, model, output_dir, teacher, callbacks)
        for task, temperature in calibrate(models[model], data.splits["validation"]).items():
            logger.info(f"  temperature of {task}'s probabilities: {temperature:.3g}, fitted on the validation split")
        save_whole(models[model], output_dir / "model.keras")
        kinds = list(dict.fromkeys(feature.kind for feature in data.schema.features))
        if baselines and teacher is not None:
            train_one(make, "without teacher", output_dir / "baselines" / "without_teacher")
            kinds = [kind for kind in kinds if any(f.name in models[model].input for f in data.schema.of_kind(kind))]
        if baselines and len(kinds) > 1 and not (_matches(data.schema) or _writes(data.schema)):
            members = {
                kind: train_one(
                    lambda kind=kind: _baseline(models[model], data.schema, kind),
                    f"{kind} only",
                    output_dir / "baselines" / f"{kind}_only",
                )
                for kind in kinds
            }
            models["late average"] = late_average(data.schema, members)
    return models, costs


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


def _matches(schema):
    return any(task.kind == "match" for task in schema.tasks)


def _writes(schema):
    return any(task.kind == "caption" for task in schema.tasks)


def _train_one(make, name, data, config, folder, teacher, **settings):
    done = folder / "training.json"
    if settings["resume"] and done.exists():
        logger.info(f"{name} is trained already")
        return load_model(folder / "model.keras"), json.loads(done.read_text())
    keras.utils.set_random_seed(config.seed)
    model = make()
    logger.info(f"Training {name} ({model.count_params():,} parameters)")
    for layer in model.layers:
        if getattr(layer, "words_found", None):
            logger.info("  {:,} of {:,} words found in {}".format(*layer.words_found, layer.pretrained_embeddings))
    trained, splits = model, [data.splits["train"], data.splits["validation"]]
    if teacher is not None:
        trained, splits = teacher.teach(model, splits)
    cost = fit(trained, *splits, config, folder, **settings, checkpoint_model=model)
    # Evaluated, exported and kept in float32, whatever precision it was trained in.
    model = as_float32(merge_lora(model))
    save_whole(model, folder / "model.keras")
    write_json(done, cost)
    remove_checkpoints(folder)
    return model, cost


def as_float32(model):
    """The same model computing in float32; itself where it already does."""
    if all(getattr(layer, "compute_dtype", "float32") == "float32" for layer in model.layers if layer.weights):
        return model
    config = keras.tree.map_structure(lambda v: "float32" if v == "mixed_float16" else v, model.get_config())
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def _baseline(model, schema, kind):
    """The model's own branch for this modality, or the zoo's baseline where it has none of that name."""
    if all(f"encode_{f.name}" in [layer.name for layer in model.layers] for f in schema.of_kind(kind)):
        return unimodal(model, schema, kind)
    return create_model(f"{kind}_only", schema)


def _latency(model, examples):
    """Milliseconds per row of `predict` on 256 rows, the second call."""
    answer = generate_captions if _writes(examples.schema) else predict_logits
    some = examples.take(np.arange(min(256, len(examples))))
    answer(model, some)
    started = time.perf_counter()
    answer(model, some)
    return round((time.perf_counter() - started) * 1000 / len(some), 4)


def save_reference_inputs(path, data):
    """Raw inputs of a few test rows, for the reference and the warm-up of every export of a run."""
    test = data.splits["test"]
    # Rows with different images, so that a mix-up of rows would be seen; of some, those with the smallest files,
    # because every export carries them.
    image = next(iter(test.images.values()), np.arange(len(test)))
    rows = np.unique(image, return_index=True)[1][:REFERENCE_CANDIDATES]
    sizes = [sum(len(test.banks[name].encoded(index[row])) for name, index in test.images.items()) for row in rows]
    rows = rows[np.argsort(sizes, kind="stable")[:REFERENCE_ROWS]]
    inputs = {}
    for feature in data.schema.features:
        if feature.kind == "image":
            bank = test.banks[feature.name]
            inputs[f"{feature.name}_bytes"] = [bank.encoded(i) for i in test.images[feature.name][rows]]
        elif feature.kind == "text":
            inputs[feature.name] = [text.encode() for text in test.raw(feature)[rows]]
        else:
            inputs[feature.name] = test.numbers[feature.name][rows]
    reference.save_reference(path, {"serving_default": (inputs, {})})
