"""Feature extraction and fine-tuning for new tasks: `f(x) = W φ(x) + b`."""

import dataclasses
import difflib
import functools
from pathlib import Path

import keras
import numpy as np
from keras import ops

from kerasfusion.evaluation.predict import predict_logits
from kerasfusion.heads import build_head
from kerasfusion.models import FusionModel, copy_weights, get_heads, make_inputs, rebuild
from kerasfusion.schema import Feature, Schema
from kerasfusion.training.callbacks import save_whole
from kerasfusion.training.fit import fit


def feature_extractor(model, layer):
    """Build a model of the outputs of a layer, sharing layers and weights.

    Args:
        model: A plain model.
        layer: Name of a layer, such as `"encode_image"` or `"fusion"`.

    Returns:
        keras.Model: dict of the inputs that the layer depends on -> `{"features": float (B, d)}`. For an encoder, the
        features are its `pooled` output; a grid or sequence is averaged.

    Raises:
        ValueError: If there is no such layer. The message suggests similar names.

    Example:

    ```python
    features = kf.transfer.feature_extractor(run.model, "encode_image")(batch)["features"]
    ```
    """
    tensor = _vector(model, layer)
    sources = {id(source) for source in keras.utils.get_source_inputs(tensor)}
    inputs = {}
    for name in model.input:
        if not name.endswith("_present") and {id(model.input[n]) for n in (name, f"{name}_present")} & sources:
            inputs |= {n: model.input[n] for n in (name, f"{name}_present")}
    return keras.Model(inputs, {"features": tensor}, name=f"{model.name}_to_{layer}")


def extract_features(model, layer, examples):
    """Compute the outputs of a layer for all rows. An image shared by several rows is encoded once.

    Args:
        model: A plain model.
        layer: Name of a layer, as in `feature_extractor`.
        examples: `Examples` with the inputs that the layer depends on.

    Returns:
        float32 array `(n, d)`.

    Raises:
        ValueError: If there is no such layer, or the examples lack one of its inputs.

    Example:

    ```python
    features = kf.transfer.extract_features(run.model, "encode_image", data.splits["test"])
    ```
    """
    part = feature_extractor(model, layer)
    names = [name for name in part.input if not name.endswith("_present")]
    lacking = sorted(set(names) - {feature.name for feature in examples.schema.features})
    if lacking:
        raise ValueError(
            f"extract_features: {layer!r} of {model.name} needs {' and '.join(lacking)}, which the rows do not have."
        )
    if len(names) == 1 and names[0] in examples.banks:
        _, first, back = np.unique(examples.arrays[names[0]], return_index=True, return_inverse=True)
        return predict_logits(part, examples.take(first))["features"][back]
    return predict_logits(part, examples)["features"]


def add_features(model, layer, splits, name="numbers"):
    """Add the outputs of a layer to the rows as a numeric feature, computed once.

    Args:
        model: A plain model. It need not have the tasks of the rows.
        layer: Name of a layer, as in `feature_extractor`.
        splits: List of `Examples`, the training split first.
        name: Name of the new numeric feature. Defaults to `"numbers"`.

    Returns:
        List of `Examples` whose schema has the new feature.

    Raises:
        ValueError: If there is no such layer, or the name is taken.

    Example:

    ```python
    train, validation = kf.transfer.add_features(
        run.model, "encode_image", [data.splits["train"], data.splits["validation"]]
    )
    model = kf.models.fusion_model(train.schema.only("text", "numeric"), text_encoder="average")
    ```
    """
    found = [extract_features(model, layer, split) for split in splits]
    columns = tuple(f"{name}_{i}" for i in range(found[0].shape[1]))
    mean, std = (tuple(statistic(found[0], axis=0).tolist()) for statistic in (np.mean, np.std))
    feature = Feature(name, "numeric", columns, length=len(columns), mean=mean, std=std)
    return [
        dataclasses.replace(
            split,
            schema=Schema((*split.schema.features, feature), split.schema.tasks),
            arrays={**split.arrays, name: features},
            present={**split.present, name: np.ones(len(split), bool)},
        )
        for split, features in zip(splits, found, strict=True)
    ]


def replace_head(model, layer, schema):
    """Copy a model up to a layer and add heads for new tasks.

    All weights are trainable (fine-tuning). To train the heads only, use `linear_probe`.

    Args:
        model: A plain model. It is unchanged.
        layer: Name of a layer, as in `feature_extractor`.
        schema: `Schema` with the new tasks.

    Returns:
        keras.Model: dict of the inputs that the layer depends on -> dict of task -> float32 logits.

    Raises:
        ValueError: If there is no such layer.

    Example:

    ```python
    model = kf.transfer.replace_head(run.model, "encode_image", data.schema)
    kf.training.fit(model, data.splits["train"], data.splits["validation"], config, "runs/fine_tuned")
    ```
    """
    heads = {task.name: functools.partial(build_head, task) for task in schema.tasks}
    name, changes = f"{model.name}_head_on_{layer}", _kept_parts(model, layer)
    if changes is not None:
        new = type(model).from_config({**model.get_config(), **changes, "heads": heads, "hidden": [], "name": name})
        copy_weights(model, new, leave_out=model.heads.values())
        return new
    part = feature_extractor(rebuild(model), layer)
    outputs = {task: make()(part.output["features"]) for task, make in heads.items()}
    return keras.Model(part.input, outputs, name=name)


def linear_probe(model, layer, train, validation, config, output_dir, verbose=1):
    """Train heads for new tasks on the frozen outputs of a layer (linear probe).

    The features of all rows are computed once, so epochs are fast.

    Args:
        model: A plain model. It is unchanged.
        layer: Name of a layer, as in `feature_extractor`.
        train: Training `Examples` with the new tasks.
        validation: Validation `Examples`, which determine the best epoch.
        config: `TrainingConfig` without `augmentation`.
        output_dir: Folder for `model.keras` and `history.csv`.
        verbose: Whether to log progress. Defaults to `1`.

    Returns:
        keras.Model as from `replace_head`, with trained heads. Its inputs are images and texts, not features.

    Raises:
        ValueError: If there is no such layer, or `config` has augmentation.

    Example:

    ```python
    probe = kf.transfer.linear_probe(run.model, "encode_image", train, validation, config, "runs/probe")
    ```
    """
    if config.augmentation:
        raise ValueError(
            "linear_probe encodes each image once: remove augmentation from config, or fine-tune the model of "
            "replace_head."
        )
    whole = replace_head(model, layer, train.schema)
    train, validation = add_features(model, layer, [train, validation], name="features")
    inputs = make_inputs(Schema((train.schema["features"],), ()))
    heads = keras.Model(inputs, {task.name: build_head(task)(inputs["features"]) for task in train.schema.tasks})
    fit(heads, train, validation, config, output_dir, verbose=verbose)
    for task in train.schema.tasks:
        get_heads(whole)[task.name].set_weights(get_heads(heads)[task.name].get_weights())
    save_whole(whole, Path(output_dir) / "model.keras")
    return whole


def _kept_parts(model, layer):
    """Config changes that cut a `FusionModel` at its fusion or an encoder; `None` for any other layer."""
    if not isinstance(model, FusionModel):
        return None
    if model.fusion is not None and layer == model.fusion.name:
        return {}
    ends = {encoder.name: feature for feature, encoder in model.encoders.items()}
    if type(model) is not FusionModel or layer not in ends:
        return None
    config, feature = model.get_config(), ends[layer]
    inputs = {name: config["inputs"][name] for name in (feature, f"{feature}_present") if name in config["inputs"]}
    return {"inputs": inputs, "encoders": {feature: config["encoders"][feature]}, "fusion": None, "imputers": []}


def _vector(model, layer):
    """The output of a layer as vectors."""
    names = [one.name for one in model.layers if not isinstance(one, keras.layers.InputLayer)]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has {', '.join(names)}."
        raise ValueError(f"{model.name} has no layer {layer!r}. {hint}")
    outputs = keras.tree.flatten(model.get_layer(layer).output)
    # An encoder also returns a mask, which has the shape of a vector.
    tensors = sorted((t for t in outputs if t is not None and "float" in t.dtype), key=lambda t: len(t.shape))
    vectors = tensors[0]
    return ops.mean(vectors, axis=tuple(range(1, len(vectors.shape) - 1))) if len(vectors.shape) > 2 else vectors
