"""A whole training: the model, its baselines on the same data and budget, the report, the run's folder."""

import dataclasses
import json
import platform
import shutil
import time

import keras
import numpy as np

import kerasfusion as kf
from kerasfusion.evaluation import calibrate, figures, names, predict_logits, report, save_page
from kerasfusion.evaluation.caption_report import shown_pictures
from kerasfusion.evaluation.caption_scores import require_scorers
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.evaluation.match_report import shown_queries
from kerasfusion.evaluation.predict import taken_by
from kerasfusion.explain import NoActivation, explained_rows, explained_words
from kerasfusion.models import late_average, unimodal
from kerasfusion.recipes.reload import load_arguments
from kerasfusion.recipes.run_folder import open_folder, write_json
from kerasfusion.recipes.teacher import Teacher
from kerasfusion.serving import reference
from kerasfusion.training import Recipe, Run, fit, load, shares_pictures
from kerasfusion.training.callbacks import save_whole
from kerasfusion.training.strategy import precision

# Rows kept as raw inputs for the export's reference and warm-up.
REFERENCE_ROWS = 4
# Decisions on the test split, the labelled rows in their order: "<task>/<model or baseline>" -> array.
ANSWERS_FILE = "test_answers.npz"
REFERENCE_CANDIDATES = 32


def default_model(data):
    """The model used when none is named, and why: `(name, reason)`."""
    if _matches(data.schema):
        return "dual_lstm_cnn", "which picture a text belongs to is learned"
    if _writes(data.schema):
        return "caption_attend", "captions are to be written"
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
    resume=False,
    tensorboard=False,
    init_from=None,
    lora=None,
    lora_budget=None,
    teacher=None,
    teacher_weight=None,
    teacher_temperature=None,
    **changes,
):
    """Train a model and everything it has to beat, and write the run's folder.

    Text only and image only are made of the model's own branches and trained by the same recipe; late average is
    made of these two; the lookups need no training. A match (`kf.data.load(..., match=True)`) has to beat chance: a
    branch alone finds nothing. A captioner has to beat the commonest caption and that of the most similar picture.
    The test split is read once, at the end.

    A run that was interrupted (Ctrl-C, a kill, a crash) is gone on with by the same call and `resume=True`: models
    that were done are read back, and the one in training ends as if nothing had happened. Until then `kf.load` gives
    the best weights so far.

    Args:
        data: What `kf.data.load` returned.
        model: A name in the zoo; None chooses one by the data.
        out: The run's folder.
        recipe: A `Recipe`; None uses its defaults.
        baselines: Train the single-modality baselines as well.
        say: Called with lines for people; None says nothing.
        overwrite: Replace a folder that holds a run.
        resume: Go on with the interrupted run in `out`; without one, begin. A finished run is read back.
        tensorboard: Write TensorBoard logs to `logs/`; needs the extra `[tensorboard]`.
        init_from: Folder of a run whose weights the model starts from, where it has a place for them
            (`kf.transfer.inherit`). The baselines start anew.
        lora: Rank of the low-rank changes that are trained, besides the heads, in place of these weights
            (`kf.transfer.lora`); the run's model has them merged. None trains all weights.
        lora_budget: Average rank that is left of `lora` in the end, where it is needed most (AdaLoRA).
        teacher: Folder of a run whose answers the model learns beside the labels (`kf.transfer.taught`). It may take
            more than the model does, other words and another size of pictures, but has the same classes. The model
            is saved as if there had been none. Baselines are then the same model without a teacher, and the single
            modalities of a model that takes several.
        teacher_weight: Weight of the teacher in the loss, None for 0.5; the labels have the rest.
        teacher_temperature: Of the teacher's and the model's logits, see `kf.losses.SoftTargets`; None for 4.
        **changes: Settings of the model to change, as for `kf.create_model`.

    Returns:
        Run

    Raises:
        FileExistsError: `out` exists and is not to be replaced.
        ImportError: captions without the extra `[caption]`, which scores them.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was written.
        ValueError: `word_vectors` for a model that reads no text, `image_weights` for one without pictures or whose
            image encoder there are none for; `init_from` a run that has nothing in common with the model; `lora`
            without `init_from`, or of a rank larger than a layer; `lora_budget` without `lora`; a `teacher` of other
            tasks or classes, or that needs what the data lacks, or its settings without it; `resume` with other data,
            another model, teacher or recipe than the interrupted run's.

    Example:

    ```python
    run = kf.train(data, model="classifier_gated", out="runs/pets", say=print)
    print(run.metrics["tasks"]["label"]["verdict"])
    ```
    """
    say = say or (lambda line: None)
    recipe = recipe or Recipe()
    model = model or default_model(data)[0]
    for pretrained, kind in (("word_vectors", "text"), ("image_weights", "image")):
        if pretrained in changes and kind not in kf.zoo.get_entry(model).inputs:
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
    config = {
        "model": model,
        "changes": changes,
        "recipe": dataclasses.asdict(recipe),
        "baselines": baselines,
        "init_from": None if init_from is None else str(init_from),
        "lora": lora,
        "lora_budget": lora_budget,
        "teacher": None if teacher is None else teacher.config,
        "source": data.source,
        "load": load_arguments(data),
        "type_column": data.columns.type,
        "data": {name: split.fingerprint() for name, split in data.splits.items()},
        "kerasfusion": kf.__version__,
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    if _writes(data.schema):
        require_scorers()
    out = open_folder(out, config, overwrite, resume)
    if (out / "metrics.json").exists():
        say(f"{out} is finished: nothing to resume.")
        return load(out)
    data.schema.save(out / "schema.json")
    save_reference_inputs(out / "reference_inputs.npz", data)

    models, costs = {}, {}
    with precision():

        def train_one(make, name, folder, teacher=None):
            made = _train_one(make, name, data, recipe, folder, say, tensorboard, resume, teacher)
            models[name], costs[name] = made
            return models[name]

        def make():
            made = kf.create_model(model, data.schema, **changes)
            if parent is not None:
                status = kf.transfer.inherit(made, parent.model, data.schema, parent.schema)["status"]
                counts = ", ".join(f"{count} {what}" for what, count in status.value_counts().items())
                say(f"Weights from {init_from}: {counts}")
            if lora is not None:
                say(f"Rank {lora}: {kf.transfer.lora(made, lora, budget=lora_budget)}")
            return made

        if teacher is not None:
            say(str(teacher))
        train_one(make, model, out, teacher)
        for task, temperature in calibrate(models[model], data.splits["validation"]).items():
            say(f"  temperature of {task}'s probabilities: {temperature:.3g}, fitted on the validation split")
        save_whole(models[model], out / "model.keras")
        kinds = list(dict.fromkeys(feature.kind for feature in data.schema.features))
        if baselines and teacher is not None:
            train_one(make, "without teacher", out / "baselines" / "without_teacher")
            kinds = [kind for kind in kinds if any(f.name in models[model].input for f in data.schema.of_kind(kind))]
        if baselines and len(kinds) > 1 and not (_matches(data.schema) or _writes(data.schema)):
            members = {
                kind: train_one(
                    lambda kind=kind: _baseline(models[model], data.schema, kind),
                    f"{kind} only",
                    out / "baselines" / f"{kind}_only",
                )
                for kind in kinds
            }
            models["late average"] = late_average(data.schema, members)
    say("Scoring on the test split")
    found = report(models, data.splits["test"], data.splits["train"], data.columns.type)
    latency = _latency(models[model], data.splits["test"])
    metrics = {
        "tasks": {task: task_report.to_dict() for task, task_report in found.items()},
        "model": model,
        "inputs": [feature.name for feature in taken_by(models[model], data.schema).features],
        "parameters": costs[model]["parameters"],
        "train_seconds": {name: round(cost["seconds"], 1) for name, cost in costs.items()},
        "epochs": {name: cost["epochs"] for name, cost in costs.items()},
        "best_epoch": {name: cost["best_epoch"] for name, cost in costs.items()},
        "predict_ms_per_row": latency,
        "rows": {name: len(split) for name, split in data.splits.items()},
        "skipped": data.skipped.counts,
        "notes": data.notes,
    }
    answers = {f"{task}/{name}": part for task in found for name, part in found[task].answers.items()}
    np.savez_compressed(out / ANSWERS_FILE, **answers)
    looked_at = _looked_at(models[model], found, data.splits["test"])
    _draw(out / "figures", found, data, costs[model]["history"], looked_at)
    save_page(out, found, data, config, metrics, looked_at)
    # Last: `kf.load` takes a folder for a finished run by this file.
    write_json(out / "metrics.json", metrics)
    return Run(out, data.schema, models[model], config, metrics)


def _matches(schema):
    return any(task.kind == "match" for task in schema.tasks)


def _writes(schema):
    return any(task.kind == "caption" for task in schema.tasks)


def _train_one(make, name, data, recipe, folder, say, tensorboard, resume, teacher=None):
    done = folder / "training.json"
    if resume and done.exists():
        say(f"{name} is trained already")
        return keras.saving.load_model(folder / "model.keras"), json.loads(done.read_text())
    keras.utils.set_random_seed(recipe.seed)
    model = make()
    say(f"Training {name} ({model.count_params():,} parameters)")
    for layer in model.layers:
        if getattr(layer, "words_found", None):
            say("  {:,} of {:,} words found in {}".format(*layer.words_found, layer.word_vectors))
    trained, splits = model, [data.splits["train"], data.splits["validation"]]
    if teacher is not None:
        trained, splits = teacher.teach(model, splits)
    settings = {"say": say, "tensorboard": tensorboard, "resume": resume}
    cost = fit(trained, *splits, recipe, folder, **settings, saved=model)
    # Evaluated, exported and kept in float32, whatever precision it was trained in.
    model = as_float32(kf.transfer.merge(model))
    save_whole(model, folder / "model.keras")
    write_json(done, cost)
    shutil.rmtree(folder / "checkpoints")
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
    answer = generate_captions if _writes(examples.schema) else predict_logits
    some = examples.take(np.arange(min(256, len(examples))))
    answer(model, some)
    started = time.perf_counter()
    answer(model, some)
    return round((time.perf_counter() - started) * 1000 / len(some), 4)


def _looked_at(model, found, test):
    """Task -> rows with what the model looked at, or the reason why there are none; empty without pictures."""
    shown = {}
    explain = explained_words if _writes(test.schema) else explained_rows
    for name, task_report in found.items() if test.images and not _matches(test.schema) else ():
        try:
            shown[name] = explain(model, task_report, test)
        except NoActivation as reason:
            shown[name] = str(reason)
    return shown


def _draw(folder, found, data, history, looked_at):
    figures.learning_curves(history, folder / "learning_curves.png")
    test = data.splits["test"]
    for name, task_report in found.items():
        task = task_report.task
        end = "" if len(found) == 1 else f"_{name}"
        if task.kind == "match":
            _draw_queries(task_report, test, folder / "retrieval.png")
            continue
        if task.kind == "caption":
            figures.comparison(task_report.ciders, folder / "comparison.png")
            _draw_captions(task_report, test, folder / "examples.png")
            if isinstance(looked_at.get(name), list):
                figures.words_looked_at(looked_at[name], folder / "looked_at.png")
            continue
        figures.comparison(task_report.scores, folder / f"comparison{end}.png")
        if task.kind in ("binary", "classes"):
            figures.confusion(task, task_report.labels, task_report.decided, folder / f"confusion{end}.png")
        if task_report.calibration is not None:
            figures.reliability(task_report.calibration, folder / f"reliability{end}.png")
        if data.schema.of_kind("image"):
            _draw_examples(task_report, test, folder / f"examples{end}.png")
        if isinstance(looked_at.get(name), list):
            rows = looked_at[name]
            asked = _asked(test, task_report.rows[[row["place"] for row in rows]])
            figures.looked_at(rows, folder / f"looked_at{end}.png", asked)


def _draw_queries(found, test, path):
    (image,), (text,) = test.schema.of_kind("image"), test.schema.of_kind("text")
    bank, texts = test.banks[image.name], test.raw(text)[found.rows]

    def pictures(places):
        return bank.fetch(found.pictures[places])[0].numpy()

    figures.retrieval_grid(shown_queries(found), pictures, texts, path)


def _draw_captions(found, test, path, count=12):
    """What was written about a few pictures, and below what a person wrote."""
    places = shown_pictures(found, count)
    (image,) = test.schema.of_kind("image")
    pictures = test.banks[image.name].fetch(test.images[image.name][found.rows[places]])[0].numpy()
    written = next(iter(found.captions.values()))
    texts = [f"{written[place]}\n({found.references[place][0]})".replace("$", r"\$") for place in places]
    figures.example_grid(pictures, texts, ["black"] * len(texts), path)


def _draw_examples(found, test, path, count=12):
    """Test rows spread over the split: what was asked, what was answered, in green where right."""
    task = found.task
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(len(found.rows), min(count, len(found.rows)), replace=False))
    image = next(iter(test.images))
    rows = found.rows[chosen]
    pictures = test.banks[image].fetch(test.images[image][rows])[0].numpy()
    answers, labels = names(task, found.decided[chosen]), names(task, found.labels[chosen])
    captions, colors = [], []
    for i, asked in enumerate(_asked(test, rows)):
        if task.kind == "number":
            captions.append(f"{asked}\n{answers[i]:.3g} (label {labels[i]:.3g})")
            colors.append("black")
            continue
        right = answers[i] == labels[i]
        captions.append(f"{asked}\n{answers[i]}" + ("" if right else f" (label {labels[i]})"))
        colors.append("#1a7f37" if right else "#cf222e")
    figures.example_grid(pictures, captions, colors, path)


def _asked(test, rows):
    """The texts of each row, short enough to stand beside its picture."""
    texts = [test.raw(feature)[rows] for feature in test.schema.of_kind("text")]
    return [" / ".join(str(text[i]) for text in texts)[:90].replace("$", r"\$") for i in range(len(rows))]


def save_reference_inputs(path, data):
    """Raw inputs of a few test rows, for the reference and the warm-up of every export of a run."""
    test = data.splits["test"]
    # Rows with different pictures, so that a mix-up of rows would be seen; of some, those with the smallest files,
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
