"""Net2Net (arXiv:1511.05641): grow a model without changing its outputs, and continue training."""

import keras
import numpy as np
from keras import ops

from kerasfusion.models import FusionModel, PartsModel

# Tolerated difference of outputs, relative to the largest: sums are computed in another order.
TOLERANCE = 1e-4


def widen(model, layer, units, seed=0):
    """Widen a layer without changing the outputs of the model.

    New units are copies of randomly chosen units. The weights of the following layer are divided among the copies in
    random, unequal shares that sum to 1, so that copies get different gradients and diverge.

    Args:
        model: A built functional or Sequential model. It is unchanged.
        layer: Name of a layer with `units` (dense, recurrent, fusion) or `filters` (convolution).
        units: int, new width.
        seed: int, random seed. Defaults to `0`.

    Returns:
        keras.Model

    Raises:
        ValueError: If there is no such layer, it is not narrower, or a following layer, such as a concatenation or
            layer normalization, would change the outputs. This is checked on random inputs.

    Example:

    ```python
    model = kf.transfer.widen(model, "fusion", 256)
    ```
    """
    model, wide = _functional(model), _layer(model, layer)
    config = wide.get_config()
    key = next((key for key in ("units", "filters") if isinstance(config.get(key), int)), None)
    if key is None:
        raise ValueError(f"widen: {layer!r} has neither units nor filters.")
    before = config[key]
    if units <= before:
        raise ValueError(f"widen: units must be above the {before} {key} of {layer!r}. Received: units={units}")
    random = np.random.default_rng(seed)
    chosen = np.r_[np.arange(before), random.integers(before, size=units - before)]
    shares = random.uniform(0.5, 1.5, units)
    shares /= np.bincount(chosen, shares)[chosen]
    if isinstance(model, PartsModel):
        grown = type(model).from_config(_with_setting(model.get_config(), layer, key, units))
    else:
        grown = _clone(model, lambda one: {**one.get_config(), **({key: units} if one is wide else {})})
    for one in _with_weights(model):
        for old, new in zip(one.weights, grown.get_layer(one.name).weights, strict=True):
            new.assign(_spread(ops.convert_to_numpy(old), new.shape, chosen, shares, before, layer))
    return _checked(model, grown, f"widen: a layer after {layer!r} cannot be widened")


def deepen(model, layer, activation="relu", name=None):
    """Insert a layer after another one without changing the outputs of the model.

    The new layer is initialized as the identity: a dense layer, or a 3 x 3 convolution after an image grid.

    Args:
        model: A built functional or Sequential model. It is unchanged.
        layer: Name of the layer to insert after. Its output must be a single float tensor.
        activation: Activation of the new layer. `"relu"` preserves nonnegative outputs, such as those of a ReLU; use
            `"linear"` otherwise. Defaults to `"relu"`.
        name: Name of the new layer. Defaults to `None`, `<layer>_deeper`.

    Returns:
        keras.Model

    Raises:
        ValueError: If there is no such layer, its output is not a single tensor, or the activation would change the
            outputs. This is checked on random inputs.

    Example:

    ```python
    model = kf.transfer.deepen(model, "fusion")
    ```
    """
    model, before = _functional(model), _layer(model, layer)
    if not isinstance(before.output, keras.KerasTensor):
        raise ValueError(f"deepen: the output of {layer!r} is not a single tensor.")
    width, name = before.output.shape[-1], name or f"{layer}_deeper"
    settings = {"activation": activation, "name": name, "dtype": before.dtype_policy}
    if len(before.output.shape) == 4:
        deeper = keras.layers.Conv2D(width, 3, padding="same", **settings)
    else:
        deeper = keras.layers.Dense(width, **settings)

    def call(one, *args, **kwargs):
        output = one(*args, **kwargs)
        return deeper(output) if one.name == layer else output

    if isinstance(model, FusionModel) and before in [model.fusion, *model.hidden]:
        config, place = model.get_config(), [model.fusion, *model.hidden].index(before)
        config["hidden"] = [*config["hidden"][:place], deeper, *config["hidden"][place:]]
        grown = type(model).from_config(config)
    else:
        grown = _clone(model, lambda one: one.get_config(), call)
    for one in _with_weights(model):
        grown.get_layer(one.name).set_weights(one.get_weights())
    kernel = np.zeros(deeper.kernel.shape, "float32")
    kernel[(1, 1) if kernel.ndim == 4 else ...] = np.eye(width)
    deeper.set_weights([kernel, np.zeros(width, "float32")])
    return _checked(model, grown, f"deepen: {activation} changes the outputs of {layer!r}")


def _functional(model):
    return keras.Model(model.inputs[0], model.outputs[0]) if isinstance(model, keras.Sequential) else model


def _with_weights(model):
    return [layer for layer in model.layers if layer.weights]


def _layer(model, name):
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(f"There is no layer {name!r}. Layers are {', '.join(names)}.")
    return model.get_layer(name)


def _clone(model, config_of, call=None):
    return keras.models.clone_model(
        model, clone_function=lambda one: type(one).from_config(config_of(one)), call_function=call
    )


def _with_setting(config, layer, key, value):
    """Change a setting of one layer in a model config, and remove build configs with the old shapes."""
    if isinstance(config, list | tuple):
        return [_with_setting(part, layer, key, value) for part in config]
    if not isinstance(config, dict):
        return config
    if {"class_name", "config", "registered_name"} <= set(config):
        own = config["config"]
        own = {**own, key: value} if own.get("name") == layer else own
        return {**{k: v for k, v in config.items() if k != "build_config"}, "config": own}
    return {name: _with_setting(part, layer, key, value) for name, part in config.items()}


def _spread(values, shape, chosen, shares, before, layer):
    """Expand a weight along the axes that grew: copy the chosen units, and scale input axes by their shares."""
    for axis, (old, new) in enumerate(zip(values.shape, shape, strict=True)):
        if old == new:
            continue
        # A flattened grid repeats the channels per cell, and a recurrent kernel repeats the units per gate.
        blocks = old // before
        if old % before or new != blocks * len(chosen):
            raise ValueError(f"widen: an axis of size {old} after {layer!r} does not consist of its units only.")
        places = (before * np.arange(blocks)[:, None] + chosen).ravel()
        values = np.take(values, places, axis=axis)
        # The last axis is the output axis; the others are summed over.
        if axis < values.ndim - 1:
            values = values * np.tile(shares, blocks).reshape((-1, *(1,) * (values.ndim - 1 - axis)))
    return values


def _checked(model, grown, wrong):
    """Return the grown model if its outputs equal those of the original on random inputs, else raise."""
    random = np.random.default_rng(0)

    def example(tensor):
        shape = (8, *(size or 4 for size in tensor.shape[1:]))
        if tensor.dtype == "bool":
            return np.ones(shape, bool)
        if "int" in tensor.dtype:
            return random.integers(0, 256 if tensor.dtype == "uint8" else 2, shape).astype(tensor.dtype)
        return random.normal(size=shape).astype("float32")

    inputs = keras.tree.map_structure(example, model.input)
    pairs = zip(*(keras.tree.flatten(one(inputs, training=False)) for one in (model, grown)), strict=True)
    for before, after in pairs:
        before, after = ops.convert_to_numpy(before), ops.convert_to_numpy(after)
        if np.abs(before - after).max() > TOLERANCE * max(1.0, np.abs(before).max()):
            raise ValueError(f"{wrong}: the outputs would change.")
    return grown
