"""Net2Net (arXiv 1511.05641): a larger model that computes what the smaller one did, to go on training from there."""

import keras
import numpy as np
from keras import ops

from kerasfusion.models import FusionModel, PartsModel

# What two models' outputs may differ by, relative to the largest: sums in another order.
TOLERANCE = 1e-4


def widen(model, layer, units, seed=0):
    """The same model with a wider layer, and the same outputs.

    New units are copies of old ones, chosen by chance; what follows adds the copies up with shares that sum to 1. The
    shares are uneven, so that copies get unlike gradients and grow apart.

    Args:
        model: A functional or Sequential model, built. It is left as it is.
        layer: Name of the layer: one with `units` (a dense or a recurrent layer, a fusion) or `filters` (a
            convolution).
        units: Its new width.
        seed: Seed of the choice and the shares.

    Returns:
        keras.Model

    Raises:
        ValueError: no such layer, it is not narrower, or what stands behind it cannot be kept as it is: a
            concatenation, a layer normalization. That is tried out on random inputs.

    Example:

    ```python
    model = kf.transfer.widen(model, "fusion", 256)
    ```
    """
    model, wide = _functional(model), _layer(model, layer)
    config = wide.get_config()
    key = next((key for key in ("units", "filters") if isinstance(config.get(key), int)), None)
    if key is None:
        raise ValueError(f"widen: {layer!r} has no width, neither units nor filters.")
    before = config[key]
    if units <= before:
        raise ValueError(f"widen: {layer!r} has {before} {key} already; {units} are not more.")
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
    return _checked(model, grown, f"widen: behind {layer!r} stands something that cannot be kept as it is")


def deepen(model, layer, activation="relu", name=None):
    """The same model with a further layer behind one of its layers, and the same outputs.

    The new layer starts as the identity: a dense layer, behind an image's grid a 3 x 3 convolution.

    Args:
        model: A functional or Sequential model, built. It is left as it is.
        layer: Name of the layer to put it behind; its output is one tensor of floats.
        activation: The new layer's. `"relu"` leaves alone what is never negative, as what comes from a relu; behind
            other layers use `"linear"`.
        name: Name of the new layer; None, `<layer>_deeper`.

    Returns:
        keras.Model

    Raises:
        ValueError: no such layer, its output is no tensor, or the outputs would change: the activation does
            something to them. That is tried out on random inputs.

    Example:

    ```python
    model = kf.transfer.deepen(model, "fusion")
    ```
    """
    model, before = _functional(model), _layer(model, layer)
    if not isinstance(before.output, keras.KerasTensor):
        raise ValueError(f"deepen: the output of {layer!r} is not one tensor.")
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
    return _checked(model, grown, f"deepen: {activation} changes what comes from {layer!r}")


def _functional(model):
    return keras.Model(model.inputs[0], model.outputs[0]) if isinstance(model, keras.Sequential) else model


def _with_weights(model):
    return [layer for layer in model.layers if layer.weights]


def _layer(model, name):
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(f"There is no layer {name!r}; there are {', '.join(names)}.")
    return model.get_layer(name)


def _clone(model, config_of, call=None):
    return keras.models.clone_model(
        model, clone_function=lambda one: type(one).from_config(config_of(one)), call_function=call
    )


def _with_setting(config, layer, key, value):
    """A model's config with another setting of one of its parts, and no part built for the old shapes."""
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
    """A weight for the wider model: along axes that grew, the chosen places, and shares of what is added up."""
    for axis, (old, new) in enumerate(zip(values.shape, shape, strict=True)):
        if old == new:
            continue
        # A flattened grid has the channels once for each of its cells, a recurrent kernel the units for each gate.
        blocks = old // before
        if old % before or new != blocks * len(chosen):
            raise ValueError(f"widen: an axis of {old} behind {layer!r} is not made of its units alone.")
        places = (before * np.arange(blocks)[:, None] + chosen).ravel()
        values = np.take(values, places, axis=axis)
        # The last axis is the output; those before it are summed over.
        if axis < values.ndim - 1:
            values = values * np.tile(shares, blocks).reshape((-1, *(1,) * (values.ndim - 1 - axis)))
    return values


def _checked(model, grown, wrong):
    """The grown model, if it computes what the other does."""
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
