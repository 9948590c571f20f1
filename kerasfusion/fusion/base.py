"""What every fusion layer shares: the signature, missing modalities, masks, the output's width."""

import keras
from keras import ops


class Fusion(keras.layers.Layer):
    """Base class: several modalities to one representation.

    `layer({"text": ..., "image": ...}, present={"text": ..., "image": ...})`. Each value is an encoder's output
    dict or, for pooled kinds, its vector `(B, d)`. Modalities are always taken in alphabetical order of their
    names, so that the order of a dict never matters.

    A subclass says in `parts` which entry of each encoder output it reads, builds its layers in `build_fusion` and
    computes in `fuse`. What is missing is replaced by a learned vector of its own before `fuse` sees it (a sequence
    by that vector as its only token), so that the content of a missing input can never matter.

    Args:
        units: Width of the fused representation.
        dropout: Dropout rate on the fused representation.

    Call arguments:
        inputs: dict name -> encoder output, or `(B, d)`. A `sequence` may have a bool `mask` `(B, L)` beside it;
            without one every place counts.
        present: Optional dict name -> bool `(B,)`. A name that is left out is always present.

    Returns:
        float `(B, units)`.

    Raises:
        ValueError: at build time, when a modality lacks the entry this fusion reads.
    """

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.output_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def parts(self, inputs):
        """Which entry of each encoder output is read: dict name -> `"pooled"`, `"sequence"` or `"grid"`."""
        return dict.fromkeys(inputs, "pooled")

    def build_fusion(self, shapes):
        """Create the layers; `shapes` is dict name -> shape of the part read, in alphabetical order."""
        raise NotImplementedError

    def fuse(self, values, training):
        """Return `(B, units)` for dict name -> the part read, what is missing replaced.

        A sequence comes as a pair of tokens `(B, L, d)` and mask `(B, L)` with one True a row at least.
        """
        raise NotImplementedError

    def dense(self, name, width, units, activation=None, use_bias=True):
        """A dense layer on `width` channels, built, in this layer's precision."""
        layer = keras.layers.Dense(
            units, activation=activation, use_bias=use_bias, name=name, dtype=self.dtype_policy
        )
        layer.build((None, width))
        return layer

    def dense_each(self, prefix, shapes, units, activation=None):
        """`dense` for each modality: dict name -> layer."""
        return {name: self.dense(f"{prefix}_{name}", shape[-1], units, activation) for name, shape in shapes.items()}

    def build(self, inputs_shape, present_shape=None):
        self.read = dict(sorted(self.parts(inputs_shape).items()))
        shapes = {name: _part(self.name, name, inputs_shape[name], part) for name, part in self.read.items()}
        self.missing = {
            name: self.add_weight(shape=(shapes[name][-1],), initializer="random_normal", name=f"missing_{name}")
            for name in sorted(present_shape or {})
        }
        self.build_fusion(shapes)

    def call(self, inputs, present=None, training=None):
        return self.output_dropout(self.fuse(self.values_of(inputs, present), training), training=training)

    def values_of(self, inputs, present=None):
        """What `fuse` takes: dict name -> the part read, what is missing replaced."""
        values = {}
        for name, part in self.read.items():
            value, there = _part(self.name, name, inputs[name], part), None
            if present is not None and name in present:
                if name not in self.missing:
                    raise ValueError(f"{self.name} was built without `present` for {name!r} and cannot take it now.")
                there = present[name]
                everywhere = ops.reshape(there, (-1,) + (1,) * (len(value.shape) - 1))
                value = ops.where(everywhere, value, ops.cast(self.missing[name], value.dtype))
            values[name] = (value, _mask(value, inputs[name].get("mask"), there)) if part == "sequence" else value
        return values

    def get_config(self):
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


def _part(layer, name, value, part):
    if not isinstance(value, dict):
        if part == "pooled":
            return value
        raise ValueError(f"{layer} reads the {part} of {name!r} and needs its encoder's whole output, a dict.")
    if part not in value:
        raise ValueError(f"{layer} reads the {part} of {name!r}, which has only {sorted(value)}.")
    return value[part]


def _mask(tokens, mask, there):
    """Which places of `(B, L, d)` count, bool `(B, L)`; of a missing or empty sequence, the first alone."""
    if mask is None:
        mask = ops.ones_like(tokens[:, :, 0], dtype="bool")
    if there is not None:
        mask = ops.logical_and(mask, there[:, None])
    first = ops.arange(ops.shape(tokens)[1]) == 0
    empty = ops.logical_not(ops.any(mask, axis=1, keepdims=True))
    return ops.logical_or(mask, ops.logical_and(empty, first))
