"""Functional models made of named parts, and the parts' way into a config and out of it."""

import keras


class PartsModel(keras.Model):
    """A functional model whose parts are attributes, and whose config is its parts.

    A subclass's constructor has two sections, layers and functional model: it sets parts by `start`, calls them on
    symbolic inputs, and ends with `finish`. `get_config` returns `parts_config`.
    """

    def start(self, **parts):
        """Set parts as plain attributes, for use while the graph is made.

        Keras tracks attributes in the order they are set, and weights in that order. It gets to see the parts in
        `finish`, when it knows the layers in the order of the graph.
        """
        vars(self).update(parts)

    def finish(self, inputs, outputs, name, parts):
        """Make the functional model, then let Keras track the parts (names of attributes)."""
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        for part in parts:
            value = getattr(self, part)
            setattr(self, part, dict(value) if isinstance(value, dict) else value)

    def parts_config(self, **parts):
        """The config of a model: its name, its inputs and these parts, each a layer, a dict or a list of layers."""
        specs = {name: {"shape": list(t.shape[1:]), "dtype": t.dtype} for name, t in self.input.items()}
        return {"name": self.name, "inputs": specs, **{name: serialize_parts(part) for name, part in parts.items()}}

    @classmethod
    def from_config(cls, config):
        return cls(**{name: deserialize_parts(value) for name, value in config.items()})


class LazyParts(dict):
    """Parts by name; one given as a function without arguments is made when it is first asked for.

    Initial weights are drawn when a layer is made and built. With functions, each part is made just before it is
    called, so that the draws follow the order of the graph.
    """

    def __getitem__(self, name):
        self[name] = part = make_part(super().__getitem__(name))
        return part


def make_part(part):
    """The part itself, or what a function without arguments makes."""
    return part() if callable(part) and not isinstance(part, keras.layers.Layer) else part


def symbolic_inputs(inputs):
    """Dict name -> `keras.Input`, of such inputs or of `{"shape", "dtype"}`, shapes without the batch axis."""

    def make(name, given):
        if not isinstance(given, dict):
            return given
        return keras.Input(tuple(given["shape"]), dtype=given["dtype"], name=name)

    return {name: make(name, given) for name, given in inputs.items()}


def serialize_parts(part):
    """Configs of a layer, or of every layer in nested dicts and lists; other values stay as they are."""
    if isinstance(part, keras.layers.Layer):
        return keras.saving.serialize_keras_object(part)
    if isinstance(part, dict):
        return {name: serialize_parts(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [serialize_parts(value) for value in part]
    return part


def deserialize_parts(part):
    """The layers of what `serialize_parts` gave."""
    if isinstance(part, dict) and {"class_name", "config", "registered_name"} <= set(part):
        return keras.saving.deserialize_keras_object(part)
    if isinstance(part, dict):
        return {name: deserialize_parts(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [deserialize_parts(value) for value in part]
    return part


def rebuild(model, **changes):
    """A copy of a model of parts, with its weights: new layers, which are part of no other graph.

    Args:
        model: A model with `get_config` and `from_config`.
        **changes: Entries of the config that replace the model's own, such as another name.

    Returns:
        The copy. Where parts were changed, copy the weights of those that stayed with `copy_weights`.
    """
    config = model.get_config()
    copy = type(model).from_config({**config, **changes})
    if not set(changes) - {"name"}:
        copy.set_weights(model.get_weights())
    return copy


def copy_weights(source, target, leave_out=()):
    """Copy the weights of all top-level layers that two models both have, by the layers' names, but for some."""
    theirs = {layer.name: layer for layer in source.layers if layer not in leave_out}
    for layer in target.layers:
        if layer.weights and layer.name in theirs:
            layer.set_weights(theirs[layer.name].get_weights())
