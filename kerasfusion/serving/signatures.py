"""What an export answers: raw strings and image bytes in, named answers out."""

import keras
import tensorflow as tf

from kerasfusion.models import get_heads
from kerasfusion.serving.raw_inputs import RawInputs
from kerasfusion.serving.tasks import TASKS


class Signatures:
    """The endpoints of one model, as functions of TensorFlow tensors.

    Args:
        model: A plain model.
        schema: Its `Schema`.
        convert: What is made of the network, a `tf.function` of the model's inputs, before the endpoints call it;
            for example `freeze`. None leaves it as it is.
        batch: Rows that the network takes; None, any number.

    Attributes:
        raw: The `RawInputs`. Its vectorizers are to be tracked by the export (the model must not be: tracking both
            would store its weights twice).
    """

    def __init__(self, model, schema, convert=None, batch=None):
        self.model = model
        self.schema = schema
        self.batch = batch
        self.raw = RawInputs([feature for feature in schema.features if feature.name in model.input])
        self.heads = get_heads(model)
        # Traced once and called by every endpoint: three copies of the network's graph would triple the size of a
        # small export.
        self._run = tf.function(self._network(), input_signature=self.tensor_specs())
        if convert is not None:
            self._run = convert(self._run)

    def _network(self):
        inputs, outputs = self.model.input, dict(self.model.output)
        # A model that fuses predictions has no fused representation.
        self.embeds = getattr(self.model, "fusion", None) is not None
        if self.embeds:
            embedding = self.model.fuse(self.model.encode(inputs), self.model.presence(inputs))
            outputs = {**self.model.predict_heads(embedding), "embedding": embedding}
        network = keras.Model(inputs, outputs)
        return lambda *inputs: network(dict(zip(self.model.input, inputs, strict=True)), training=False)

    def tensor_specs(self):
        """Inputs of `tensors`: the model's own."""
        return [
            tf.TensorSpec((self.batch, *tensor.shape[1:]), tensor.dtype, name=name)
            for name, tensor in self.model.input.items()
        ]

    def has_loops(self):
        """Whether the network's graph has a loop."""
        graph = self._run.get_concrete_function().graph.as_graph_def()
        return any(node.op in ("While", "StatelessWhile") for node in graph.node)

    def predictions(self, *inputs):
        """The numbers alone, without class names: the model's own inputs to a dict of float32 tensors."""
        logits = self._run(*inputs)
        found = {}
        for task in self.schema.tasks:
            for key, value in self.heads[task.name].predictions(logits[task.name]).items():
                found[output_name(self.schema, task, key)] = value
        return found

    def endpoints(self):
        """The signatures: dict name -> `(function of tensors, list of TensorSpec)`."""
        endpoints = {
            "serving_default": (self._serving_default, self.raw.specs()),
            "tensors": (self._tensors, self.tensor_specs()),
        }
        if self.embeds:
            endpoints["embed"] = (self._embed, self.raw.specs())
        return endpoints

    def raw_examples(self, examples):
        """Stored rows as tensors, for all endpoints but `tensors`: dict input -> tensor."""
        return {spec.name: tf.constant(examples[spec.name], spec.dtype) for spec in self.raw.specs()}

    def own_examples(self, raw):
        """The same rows for `tensors`, of what `raw_examples` gave."""
        return self.raw.preprocess(*(raw[spec.name] for spec in self.raw.specs()))[0]

    def resources(self):
        """What holds lookup tables, for an export to track."""
        return self.raw.resources()

    def _serving_default(self, *raw):
        inputs, flags = self.raw.preprocess(*raw)
        return {**self._tensors(*(inputs[name] for name in self.model.input)), **flags}

    def _tensors(self, *inputs):
        return with_names(self.schema, self.predictions(*inputs))

    def _embed(self, *raw):
        inputs, flags = self.raw.preprocess(*raw)
        embedding = self._run(*(inputs[name] for name in self.model.input))["embedding"]
        return {"embedding": tf.cast(embedding, tf.float32), **flags}


def output_name(schema, task, key):
    """What a head's `probabilities` or `value` is called in an answer; the only task's needs no prefix."""
    if key == "value":
        return task.name
    return key if len(schema.tasks) == 1 else f"{task.name}_{key}"


def with_names(schema, found):
    """Add what was decided for, as string `(B,)`: a class name, or the names of tags divided by `|`.

    Args:
        schema: The model's `Schema`.
        found: What `Signatures.predictions` gave.

    Returns:
        dict: `found`, and for every task with classes `<task>`.
    """
    names = {}
    for task in schema.tasks:
        key = output_name(schema, task, "probabilities")
        if task.classes and key in found:
            names[task.name] = TASKS[task.type].names(task, found[key])
    return {**found, **names}
