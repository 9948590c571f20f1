import os

import numpy as np

from kerasfusion.bounds import SERVING_PIXELS
from kerasfusion.data import DataError, load_rows
from kerasfusion.data.pipeline import BatchedDataset
from kerasfusion.evaluation import postprocess, predict_classes, predict_logits, score_predictions
from kerasfusion.serving import CApiSession, LiteModel, export_model, lite_model, reference
from kerasfusion.serving.metadata import read_metadata, write_metadata
from kerasfusion.serving.onnx_export import require_onnx
from kerasfusion.serving.signatures import output_name
from kerasfusion.training import from_preset
from kerasfusion.workflows.export_baseline import export_baseline
from kerasfusion.workflows.reload import load_run_data

BATCH_SIZE = 256


def export(
    run,
    model_dir,
    examples=None,
    *,
    freeze=False,
    bfloat16=False,
    lite=False,
    data=None,
    evaluate=True,
    max_pixels=SERVING_PIXELS,
    baseline=None,
    onnx=False,
    network=False,
):
    """Write the next version of a SavedModel for TensorFlow Serving.

    Plain, the weights are variables and the answers are Keras's. `freeze`, `bfloat16` and `lite` make it smaller and
    faster; what they cost is measured, Keras before and the export after, and written on the export's card,
    `assets.extra/kerasfusion.json`.

    The only image of a schema is the input `image_bytes`, the only text `text`, numbers are `numbers` and the only
    label is answered as `label`. Several of a kind have their columns' names, made safe for servers by
    `kf.data.safe_names`: columns `front view` and `größe` are `front_view_bytes` and `grosse`. The card maps each,
    column -> name, as `inputs` and `outputs`.

    Args:
        run: A `Run`, its folder, or a preset (`kf.from_preset`).
        model_dir: The model's folder; the version is one more than the highest there, `<model_dir>/<version>/`.
        examples: Raw inputs to store as reference and warm-up: dict of `serving_default` inputs, each with a few
            rows. None takes those that training left in the run, `reference_inputs.npz`.
        freeze: Fold the weights into a graph that is simplified for inference. The answers stay.
        bfloat16: The same with weights in bfloat16: half the size.
        lite: Write a model for LiteRT beside the SavedModel, `assets.extra/model_int8.tflite`, with weights in 8-bit
            integers: a quarter of the size. It takes token ids and pixels, as the signature `tensors` does: LiteRT
            reads no strings and images. Needs the extra `[lite]`.
        data: A labelled table to measure on. None reads the run's own data again and measures on its test split.
        evaluate: Score Keras and the export on the same rows.
        max_pixels: Images of more pixels count as unreadable in requests (`image_ok` is False), so that a small file
            cannot ask for much memory. Training reads up to 100 million.
        baseline: Export a classical baseline of the run in place of its model: `"bag_of_words"`, `"text_features"`,
            `"image_features"` or `"words_and_images"`, those that training fitted. Its `serving_default` takes and
            gives what the model's does, of the features that it reads; there are no other signatures.
        onnx: Write the network as ONNX beside the SavedModel, `assets.extra/model.onnx`, if ONNX Runtime answers as
            Keras does. It takes token ids and pixels. Needs the extra `[onnx]`.
        network: Write the network alone as a SavedModel beside the other, `assets.extra/network/`, for runtimes that
            read SavedModels but no strings, such as OpenVINO: its `serving_default` takes token ids and pixels.

    Returns:
        Path: the version's folder. It counts as exported once `verify` has passed on it.

    Raises:
        DataError: There is nothing to measure on: the run's data cannot be read again.
        FileNotFoundError: the folder is no run.
        ImportError: `lite` without the extra `[lite]`, or `onnx` without `[onnx]`.
        ValueError: `data` or `evaluate=False` for a plain export, which has nothing to measure; a variant of a match
            without `evaluate=False`; a baseline that the run has not fitted, or a variant of a baseline.

    Example:

    ```python
    version = kf.export("runs/pets", "saved_models/pets", bfloat16=True, lite=True)
    print(kf.verify(version))
    ```
    """
    if not (freeze or bfloat16 or lite) and (data is not None or not evaluate):
        raise ValueError("A plain export loses nothing that could be measured: data and evaluate go with a variant.")
    if baseline is not None and (freeze or bfloat16 or lite or onnx or network):
        raise ValueError(
            "A baseline is exported with plain weights alone: leave out freeze, bfloat16, lite, onnx and network."
        )
    if lite:
        lite_model.require_runtime()
    if onnx:
        require_onnx()
    run = from_preset(run)
    if examples is None:
        examples = reference.load_reference(run.path / "reference_inputs.npz")["serving_default"][0]
    if baseline is not None:
        return export_baseline(run, model_dir, baseline, examples, max_pixels)
    if (freeze or bfloat16 or lite) and evaluate and run.schema.is_paired:
        raise ValueError("What a variant costs is measured for labels alone. Pass evaluate=False (--no-evaluate).")
    variant = "bfloat16" if bfloat16 else "frozen" if freeze else "variables"
    # Before the export, so that a run whose data is gone leaves no version behind.
    rows, name = _rows(run, data) if (freeze or bfloat16 or lite) and evaluate else (None, None)
    version = export_model(
        *(run.model, run.schema, model_dir, examples, variant, lite),
        max_pixels=max_pixels,
        onnx=onnx,
        network=network,
    )
    if rows is not None:
        accuracy = {"rows": name, "tasks": measure_export(run, version, rows)}
        write_metadata(version, {**read_metadata(version), "accuracy": accuracy})
    return version


def measure_export(run, version, examples):
    """Score Keras and an exported version on the same rows.

    Args:
        run: The `Run` it was exported from.
        version: `pathlib.Path` of the version.
        examples: `Examples` with labels.

    Returns:
        dict: task -> dict `"keras"`, `"saved_model"` and, where there is one, `"lite"` -> dict with the score's
        `name` and `value`, its number of rows `n`, and `same`, the share of rows decided as Keras decides them (not
        for numbers).
    """
    found = {"keras": _keras(run.model, examples)}
    with CApiSession(version) as session:
        found["saved_model"] = _answers(run.schema, lambda x: session.run("tensors", x), run.model, examples)
    if (version / lite_model.FILE).exists():
        model = LiteModel(version / lite_model.FILE, os.cpu_count())
        found["lite"] = _answers(
            run.schema, lambda x: model.run({name: x[name] for name in model.inputs}), run.model, examples
        )
    return {task.name: _compare(task, found, examples) for task in run.schema.tasks}


def format_export_metrics(version):
    """Lines for people: what an export's card says of the score before and after."""
    accuracy = read_metadata(version).get("accuracy", {})
    names = {"keras": "Keras", "saved_model": "this SavedModel", "lite": "LiteRT"}
    for task, scores in accuracy.get("tasks", {}).items():
        parts = []
        for who, found in scores.items():
            value = f"{found['value']:.4g}" if found["name"] == "mae" else f"{found['value']:.2%}"
            same = f" ({found['same']:.2%} of decisions as Keras's)" if "same" in found else ""
            parts.append(f"{names[who]} {value}{same}")
        first = scores["keras"]
        yield f"{task}, {first['name']} on {first['n']:,} rows of {accuracy['rows']}: {', '.join(parts)}"


def _rows(run, source):
    """Rows to measure on, and what they are called."""
    if source is not None:
        return load_rows(source, run.schema)[0], str(source)
    try:
        return load_run_data(run).splits["test"], "test split"
    except (DataError, FileNotFoundError) as error:
        raise DataError(
            f"{error} Name a labelled table to measure on (data=…, --data), or do not measure (evaluate=False, "
            "--no-evaluate)."
        ) from None


def _batches(model, examples):
    """The rows as the model takes them."""
    features = tuple(f for f in examples.schema.features if f.name in model.input)
    examples = examples.with_features(type(examples.schema)(features, examples.schema.tasks))
    for x, *_ in BatchedDataset(examples, BATCH_SIZE).dataset().as_numpy_iterator():
        yield {name: x[name] for name in model.input}


def _answers(schema, ask, model, examples):
    parts = [ask(x) for x in _batches(model, examples)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    answers = {}
    for task in schema.tasks:
        key = "probabilities" if task.classes else "value"
        answers[task.name] = {key: whole[output_name(schema, task, key)]}
    return answers


def _keras(model, examples):
    return postprocess(model, predict_logits(model, examples))


def _compare(task, found, examples):
    labelled = examples.weights[task.name] > 0
    labels = examples.labels[task.name][labelled]
    decided = {who: predict_classes(task, answers[task.name])[labelled] for who, answers in found.items()}
    compared = {}
    for who, decisions in decided.items():
        main = score_predictions(task, labels, decisions)
        compared[who] = {"name": main.name, "value": main.value, "n": main.n}
        if who != "keras" and task.classes:
            same = decisions == decided["keras"]
            compared[who]["same"] = float(same.reshape(len(same), -1).all(axis=1).mean())
    return compared
