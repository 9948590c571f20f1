"""A run's model and its baselines, trained one after the other."""

import json
import logging

import keras

from kerasfusion.evaluation import calibrate
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.files import write_json
from kerasfusion.models import FusionModel, late_average, unimodal
from kerasfusion.models.model_file import load_model
from kerasfusion.training import fit, fit_linear_path
from kerasfusion.training.callbacks import save_whole
from kerasfusion.training.strategy import precision
from kerasfusion.transfer import merge_lora
from kerasfusion.workflows.run_folder import remove_checkpoints
from kerasfusion.zoo import create_model

logger = logging.getLogger(__name__)


def train_all(make, data, output_dir, run_config, config, teacher, callbacks, settings):
    """Train a run's model and its baselines.

    Args:
        make: Function that makes the model.
        data: The `Data`.
        output_dir: `pathlib.Path` of the run's folder.
        run_config: dict, the content of the run's `config.json`.
        config: The `TrainingConfig`.
        teacher: The `Teacher` of the model, or None.
        callbacks: Keras callbacks for the training of the model.
        settings: dict of `verbose` and `resume` for `fit`.

    Returns:
        tuple: `(models, costs)`: dicts of name -> model, and name -> what `fit` returned.
    """
    model, baselines = run_config["model"], run_config["baselines"]
    models, costs = {}, {}
    with precision():

        def one(make, name, folder, teacher=None, callbacks=()):
            models[name], costs[name] = train_one(
                make, name, data, config, folder, teacher, callbacks=callbacks, **settings
            )
            return models[name]

        one(make, model, output_dir, teacher, callbacks)
        for task, temperature in calibrate(models[model], data.splits["validation"]).items():
            logger.info(f"  temperature of {task}'s probabilities: {temperature:.3g}, fitted on the validation split")
        save_whole(models[model], output_dir / "model.keras")
        kinds = data.schema.kinds
        if baselines and teacher is not None:
            one(make, "without teacher", output_dir / "baselines" / "without_teacher")
            kinds = [kind for kind in kinds if any(f.name in models[model].input for f in data.schema.of_kind(kind))]
        labelled = not any(TASKS[task.type].reports_alone for task in data.schema.tasks)
        if baselines and labelled and len(kinds) > 1:
            members = {
                kind: one(
                    lambda kind=kind: _baseline(models[model], data.schema, kind),
                    f"{kind} only",
                    output_dir / "baselines" / f"{kind}_only",
                )
                for kind in kinds
            }
            models["late average"] = late_average(data.schema, members)
    return models, costs


def train_one(make, name, data, config, folder, teacher, **settings):
    """Train one model into a folder, or read it back where `resume` finds it trained: the model and its cost."""
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
    merged = as_float32(merge_lora(model))
    shares = fit_linear_path(merged, data.splits["train"], data.splits["validation"])
    for task, share in shares.items():
        logger.info(f"  {share:.0%} of {task}'s prediction is that of the linear path, by the validation split")
    if merged is not model or shares:
        model = merged
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
    if isinstance(model, FusionModel) and all(f.name in model.encoders for f in schema.of_kind(kind)):
        return unimodal(model, schema, kind)
    return create_model(f"{kind}_only", schema)
