"""Base class of all fusion layers: the call signature, missing modalities and masks."""

import keras
from keras import ops


class Fusion(keras.layers.Layer):
    """Base class: combine several modalities into one representation.

    `layer({"text": ..., "image": ...}, present={"text": ..., "image": ...})`. Each value is an encoder's output dict
    or, for fusions of pooled vectors, a vector `(B, d)`. Modalities are processed in alphabetical order of their
    names, so the order of the dict does not matter.

    A subclass names in `parts` the entry of each encoder output that it reads, creates its layers in `build_fusion`
    and computes the result in `fuse`. Before `fuse`, the input of a missing modality is replaced by a learned vector
    (a sequence by that vector as its only token), so the content of a missing input has no effect.

    Args:
        units: int, width of the fused representation.
        dropout: float in [0, 1), dropout rate on the fused representation. Defaults to 0.

    Call arguments:
        inputs: dict name -> encoder output, or float `(B, d)`. A `sequence` may come with a bool `mask` `(B, L)`;
            without one, every position is used.
        present: Optional dict name -> bool `(B,)`. A modality that is left out is treated as always present.
        training: Optional bool, as in `keras.layers.Layer.call`.

    Returns:
        float `(B, units)`.

    Raises:
        ValueError: at build time, if a modality lacks the entry that this fusion reads.

    Example:

    ```python
    class MeanFusion(kf.fusion.Fusion):
        def build_fusion(self, shapes):
            self.inputs = self.dense_each("in", shapes, self.units)

        def fuse(self, values, training):
            return sum(self.inputs[name](value) for name, value in values.items()) / len(values)


    fused = MeanFusion(16)({"text": keras.random.normal((2, 8)), "image": keras.random.normal((2, 4))})  # (2, 16)
    ```
    """

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.output_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def parts(self, inputs):
        """Name the entry of each encoder output that is read: dict name -> `"pooled"`, `"sequence"` or `"grid"`."""
        return dict.fromkeys(inputs, "pooled")

    def build_fusion(self, shapes):
        """Create the layers; `shapes` maps the names, in alphabetical order, to the shapes of what is read."""
        raise NotImplementedError

    def fuse(self, values, training):
        """Compute the fused representation.

        Args:
            values: dict name -> the entry that is read, missing modalities replaced: float `(B, d)`, a grid `(B, h,
                w, c)`, or for a sequence a pair of tokens `(B, L, d)` and mask `(B, L)` with at least one True per
                row.
            training: Optional bool.

        Returns:
            float `(B, units)`.
        """
        raise NotImplementedError

    def dense(self, name, width, units, activation=None, use_bias=True):
        """Build a dense layer for inputs with `width` channels, with this layer's dtype policy."""
        layer = keras.layers.Dense(
            units, activation=activation, use_bias=use_bias, name=name, dtype=self.dtype_policy
        )
        layer.build((None, width))
        return layer

    def dense_each(self, prefix, shapes, units, activation=None):
        """Build one dense layer per modality: dict name -> layer."""
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
        """Select what `fuse` reads and replace missing modalities: dict name -> value."""
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
    """Positions of `(B, L, d)` that are used, bool `(B, L)`; only the first one for a missing or empty sequence."""
    if mask is None:
        mask = ops.ones_like(tokens[:, :, 0], dtype="bool")
    if there is not None:
        mask = ops.logical_and(mask, there[:, None])
    first = ops.arange(ops.shape(tokens)[1]) == 0
    empty = ops.logical_not(ops.any(mask, axis=1, keepdims=True))
    return ops.logical_or(mask, ops.logical_and(empty, first))
