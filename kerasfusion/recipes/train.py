"""A whole training: the model, its baselines on the same data and budget, the report, the run's folder."""

import dataclasses
import json
import platform
import shutil
import time
from pathlib import Path

import keras
import numpy as np

import kerasfusion as kf
from kerasfusion.evaluation import figures, names, report
from kerasfusion.models import late_average, unimodal
from kerasfusion.serving import reference
from kerasfusion.training import Recipe, Run, fit, shares_pictures
from kerasfusion.training.callbacks import save_whole
from kerasfusion.training.strategy import precision

# Rows kept as raw inputs for the export's reference and warm-up.
REFERENCE_ROWS = 4


def default_model(data):
    """The model used when none is named, and why: `(name, reason)`."""
    if not data.schema.of_kind("text"):
        return "image_only", "there is no text"
    if not data.schema.of_kind("image"):
        return "text_only", "there is no image"
    if shares_pictures(data.splits["train"]):
        return "vqa_film", f"{data.texts_per_image:.1f} texts share a picture"
    return "classifier_gated", "every row has its own picture"


def train(
    data,
    model=None,
    out="runs/run",
    recipe=None,
    baselines=True,
    say=None,
    overwrite=False,
    tensorboard=False,
    **changes,
):
    """Train a model and everything it has to beat, and write the run's folder.

    Text only and image only are made of the model's own branches and trained by the same recipe; late average is
    made of these two; the lookups need no training. The test split is read once, at the end.

    Args:
        data: What `kf.data.load` returned.
        model: A name in the zoo; None chooses one by the data.
        out: The run's folder.
        recipe: A `Recipe`; None uses its defaults.
        baselines: Train the single-modality baselines as well.
        say: Called with lines for people; None says nothing.
        overwrite: Replace a folder that holds a run.
        tensorboard: Write TensorBoard logs to `logs/`; needs the extra `[tensorboard]`.
        **changes: Settings of the model to change, as for `kf.create_model`.

    Returns:
        Run

    Raises:
        FileExistsError: `out` exists and is not to be replaced.

    Example:

    ```python
    run = kf.train(data, model="classifier_gated", out="runs/pets", say=print)
    print(run.metrics["tasks"]["label"]["verdict"])
    ```
    """
    say = say or (lambda line: None)
    recipe = recipe or Recipe()
    model = model or default_model(data)[0]
    out = _new_folder(out, overwrite)
    data.schema.save(out / "schema.json")

    models, costs = {}, {}
    with precision():
        models[model], costs[model] = _train_one(
            lambda: kf.create_model(model, data.schema, **changes), model, data, recipe, out, say, tensorboard
        )
        kinds = list(dict.fromkeys(feature.kind for feature in data.schema.features))
        if baselines and len(kinds) > 1:
            members = {}
            for kind in kinds:
                name = f"{kind} only"
                folder = out / "baselines" / f"{kind}_only"
                members[kind], costs[name] = _train_one(
                    lambda kind=kind: _baseline(models[model], data.schema, kind),
                    name,
                    data,
                    recipe,
                    folder,
                    say,
                )
                models[name] = members[kind]
            models["late average"] = late_average(data.schema, members)
    say("Scoring on the test split")
    found = report(models, data.splits["test"], data.splits["train"], data.columns.type)
    latency = _latency(models[model], data.splits["test"])
    metrics = {
        "tasks": {task: task_report.to_dict() for task, task_report in found.items()},
        "model": model,
        "parameters": costs[model]["parameters"],
        "train_seconds": {name: round(cost["seconds"], 1) for name, cost in costs.items()},
        "epochs": {name: cost["epochs"] for name, cost in costs.items()},
        "best_epoch": {name: cost["best_epoch"] for name, cost in costs.items()},
        "predict_ms_per_row": latency,
        "rows": {name: len(split) for name, split in data.splits.items()},
        "skipped": data.skipped.counts,
        "notes": data.notes,
    }
    _draw(out / "figures", found, data, costs[model]["history"])
    _save_reference_inputs(out / "reference_inputs.npz", data)
    config = {
        "model": model,
        "changes": changes,
        "recipe": dataclasses.asdict(recipe),
        "source": data.source,
        "type_column": data.columns.type,
        "kerasfusion": kf.__version__,
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    (out / "config.json").write_text(json.dumps(config, indent=1, default=str), encoding="utf-8")
    # Last: `kf.load` takes a folder for a finished run by this file.
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
    return Run(out, data.schema, models[model], config, metrics)


def _new_folder(out, overwrite):
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        if not overwrite:
            raise FileExistsError(f"{out} exists and is not empty. Choose another folder, or pass --overwrite.")
        if not (out / "schema.json").exists():
            raise FileExistsError(f"{out} exists and is no run, so it is not replaced. Choose another folder.")
        shutil.rmtree(out)
    (out / "figures").mkdir(parents=True)
    return out


def _train_one(make, name, data, recipe, folder, say, tensorboard=False):
    keras.utils.set_random_seed(recipe.seed)
    model = make()
    say(f"Training {name} ({model.count_params():,} parameters)")
    cost = fit(
        model,
        data.splits["train"],
        data.splits["validation"],
        recipe,
        folder,
        say=say,
        tensorboard=tensorboard,
    )
    # Evaluated, exported and kept in float32, whatever precision it was trained in.
    model = as_float32(model)
    save_whole(model, folder / "model.keras")
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
    return kf.create_model(f"{kind}_only", schema)


def _latency(model, examples):
    """Milliseconds per row of `predict` on 256 rows, the second call."""
    from kerasfusion.evaluation import predict_logits

    some = examples.take(np.arange(min(256, len(examples))))
    predict_logits(model, some)
    started = time.perf_counter()
    predict_logits(model, some)
    return round((time.perf_counter() - started) * 1000 / len(some), 4)


def _draw(folder, found, data, history):
    figures.learning_curves(history, folder / "learning_curves.png")
    test = data.splits["test"]
    for name, task_report in found.items():
        task = task_report.task
        end = "" if len(found) == 1 else f"_{name}"
        figures.comparison(task_report.scores, folder / f"comparison{end}.png")
        if task.kind in ("binary", "classes"):
            figures.confusion(task, task_report.labels, task_report.decided, folder / f"confusion{end}.png")
        if data.schema.of_kind("image"):
            _draw_examples(task_report, test, folder / f"examples{end}.png")


def _draw_examples(found, test, path, count=12):
    """Test rows spread over the split: what was asked, what was answered, in green where right."""
    task = found.task
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(len(found.rows), min(count, len(found.rows)), replace=False))
    image = next(iter(test.images))
    rows = found.rows[chosen]
    pictures = test.banks[image].fetch(test.images[image][rows])[0].numpy()
    answers, labels = names(task, found.decided[chosen]), names(task, found.labels[chosen])
    texts = [test.raw(feature)[rows] for feature in test.schema.of_kind("text")]
    captions, colors = [], []
    for i in range(len(rows)):
        asked = " / ".join(str(text[i]) for text in texts)[:90].replace("$", r"\$")
        if task.kind == "number":
            captions.append(f"{asked}\n{answers[i]:.3g} (label {labels[i]:.3g})")
            colors.append("black")
            continue
        right = answers[i] == labels[i]
        captions.append(f"{asked}\n{answers[i]}" + ("" if right else f" (label {labels[i]})"))
        colors.append("#1a7f37" if right else "#cf222e")
    figures.example_grid(pictures, captions, colors, path)


def _save_reference_inputs(path, data):
    test = data.splits["test"]
    # Rows with different pictures, so that a mix-up of rows would be seen.
    image = next(iter(test.images.values()), np.arange(len(test)))
    rows = np.unique(image, return_index=True)[1][:REFERENCE_ROWS]
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
