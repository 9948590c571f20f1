import keras
from keras import ops

from kerasfusion.heads import build_head
from kerasfusion.models.encoded_model import EncodedModel
from kerasfusion.models.fusion import fusion_model
from kerasfusion.models.inputs import make_inputs
from kerasfusion.models.parts import LazyParts, symbolic_inputs


@keras.saving.register_keras_serializable("kerasfusion")
class LateAverage(keras.layers.Layer):
    """The average of several models' predictions for one task, weights renormalised over what is present.

    It stands where a head stands and answers the same questions (`loss`, `metrics_for`, `predictions`,
    `temperature`) by asking a head of the task's kind. The models' predictions are averaged as they were trained,
    without temperatures of their own: that of the average is fitted to the average.

    Args:
        head: A `Head` of the task's kind; only its formulas are used, it gets no weights.

    Call arguments:
        logits: dict modality -> float32 `(B, C)`.
        present: dict modality -> bool `(B,)`. Where nothing is present all count alike.

    Returns:
        float32 `(B, C)`: logits of `Σ_m w_m p_m`.
    """

    def __init__(self, head, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.head = head
        self.loss = head.loss
        self.metrics_for = head.metrics_for
        self.predictions = head.predictions

    @property
    def temperature(self):
        return self.head.temperature

    @temperature.setter
    def temperature(self, value):
        self.head.temperature = value

    def build(self, logits_shape, present_shape=None):
        """Nothing to build: the head stays without weights."""

    def call(self, logits, present):
        names = sorted(logits)
        weights = ops.stack([ops.cast(present[name], "float32") for name in names])
        total = ops.sum(weights, axis=0, keepdims=True)
        weights = ops.where(total > 0, weights / ops.maximum(total, 1.0), 1.0 / len(names))
        return self.head.average(ops.stack([logits[name] for name in names]), weights[..., None])

    def compute_output_shape(self, logits_shape, present_shape):
        return next(iter(logits_shape.values()))

    def get_config(self):
        return {**super().get_config(), "head": keras.saving.serialize_keras_object(self.head)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("head")), **config)


@keras.saving.register_keras_serializable("kerasfusion")
class LateAverageModel(EncodedModel):
    """A functional model of one model per modality, whose predictions are averaged.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`), as for `FusionModel`.
        members: dict modality -> model on the features of that modality alone.
        heads: dict task -> `LateAverage`.
        name: Name of the model.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        dict task -> float32 logits `(B, C)`.

    Attributes:
        members, heads: The parts.

    Example:

    ```python
    model = kf.models.late_average(schema)
    model.members["text"](batch)  # what the text alone says
    ```
    """

    def __init__(self, inputs, members, heads, name=None):
        # Layers
        self.start(members=dict(members), heads=LazyParts(heads), encoders={})  # the encoders lie inside the members

        # Functional model
        inputs = symbolic_inputs(inputs)
        outputs = self.predict_encoded(self.encode(inputs), inputs)
        self.finish(inputs, outputs, name, ("members", "heads"))

    def encode(self, inputs, encoded=None):
        """Return dict modality -> the logits of its member, for those whose inputs are all there."""
        found = dict(encoded or {})
        for kind, member in self.members.items():
            if kind not in found and set(member.input) <= set(inputs):
                found[kind] = member({name: inputs[name] for name in member.input})
        return found

    def presence(self, inputs):
        """Return dict modality -> bool `(B,)`, whether any of its features is there."""
        flags = {kind: [n for n in member.input if n.endswith("_present")] for kind, member in self.members.items()}
        return {kind: ops.any(ops.stack([inputs[n] for n in names]), axis=0) for kind, names in flags.items()}

    def fuse(self, encoded, present):
        """Return both, which is what the heads take."""
        return {"logits": encoded, "present": present}

    def predict_heads(self, representation):
        logits, present = representation["logits"], representation["present"]
        return {
            task: self.heads[task]({kind: out[task] for kind, out in logits.items()}, present=present)
            for task in self.heads
        }

    def get_config(self):
        return self.parts_config(members=self.members, heads=self.heads)


def late_average(schema, members=None, name="late_average", **settings):
    """One model per modality, their predictions averaged: the fusion that every other must beat.

    Args:
        schema: A `kf.Schema` with two modalities or more.
        members: dict kind (`"text"`, `"image"`, `"numeric"`) -> model on the features of that kind alone. Trained
            ones give the classic late average; `None` makes new ones with `fusion_model`, and the whole trains
            jointly.
        name: Name of the model.
        **settings: Passed to `fusion_model` for new members.

    Returns:
        LateAverageModel: the same inputs and outputs as `fusion_model`.

    Raises:
        ValueError: settings for new members beside given ones.

    Example:

    ```python
    model = kf.models.late_average(schema, {"text": text_only, "image": image_only})
    ```
    """
    if members and settings:
        raise ValueError(f"late_average: {sorted(settings)} are for new members, and members were given.")
    members = members or {
        kind: fusion_model(schema.only(kind), name=f"{kind}_only", **settings) for kind in schema.kinds
    }
    heads = {t.name: lambda t=t: LateAverage(build_head(t), name=f"average_{t.name}") for t in schema.tasks}
    return LateAverageModel(make_inputs(schema), members, heads, name=name)
