"""What an export answers: raw strings and image bytes in, named answers out."""

import keras
import tensorflow as tf

from kerasfusion.models import heads_of
from kerasfusion.preprocessing import decode_images, text_vectorizer


class Signatures:
    """The endpoints of one model, as functions of TensorFlow tensors.

    Args:
        model: A plain model.
        schema: Its `Schema`.

    Attributes:
        vectorizers: text feature -> `TextVectorization`, to be tracked by the export (the model must not be:
            tracking both would store its weights twice).
    """

    def __init__(self, model, schema):
        self.model = model
        self.schema = schema
        self.features = [feature for feature in schema.features if feature.name in model.input]
        self.heads = heads_of(model)
        self.vectorizers = {f.name: text_vectorizer(f) for f in self.features if f.kind == "text"}
        # Each is traced once and called by every endpoint: three copies of the network's graph would triple the
        # size of a small export.
        self._preprocess = tf.function(self._preprocess, input_signature=self.raw_specs())
        self._run = tf.function(self._network(), input_signature=self.tensor_specs())

    def _network(self):
        outputs = dict(self.model.output)
        # A model that fuses predictions has no fused representation.
        self.embeds = any(layer.name == "fusion" for layer in self.model.layers)
        if self.embeds:
            outputs["embedding"] = self.model.get_layer("fusion").output
        network = keras.Model(self.model.input, outputs)
        return lambda *inputs: network(dict(zip(self.model.input, inputs, strict=True)), training=False)

    def raw_specs(self):
        """Inputs of `serving_default`: `<text>` and `<image>_bytes` string `(B,)`, `<numbers>` float32 `(B, d)`."""
        specs = []
        for feature in self.features:
            if feature.kind == "numbers":
                specs.append(tf.TensorSpec((None, feature.length), tf.float32, name=feature.name))
            else:
                suffix = "_bytes" if feature.kind == "image" else ""
                specs.append(tf.TensorSpec((None,), tf.string, name=feature.name + suffix))
        return specs

    def tensor_specs(self):
        """Inputs of `tensors`: the model's own."""
        return [tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in self.model.input.items()]

    def _preprocess(self, *raw):
        inputs, flags = {}, {}
        for feature, value in zip(self.features, raw, strict=True):
            name = feature.name
            if feature.kind == "text":
                inputs[name] = tf.cast(self.vectorizers[name](value), tf.int32)
                inputs[f"{name}_present"] = tf.reduce_any(inputs[name] != 0, axis=-1)
            elif feature.kind == "image":
                inputs[name], present = decode_images(value, feature.size)
                inputs[f"{name}_present"] = flags[f"{name}_ok"] = present
            else:
                given = ~tf.math.is_nan(value)
                inputs[name] = tf.where(given, value, tf.constant(feature.mean, tf.float32))
                inputs[f"{name}_present"] = tf.reduce_any(given, axis=-1)
        return inputs, flags

    def preprocess(self, *raw):
        """Raw inputs to the model's own inputs, and a flag `<image>_ok` per picture."""
        return self._preprocess(*raw)

    def _answers(self, inputs):
        logits = self._run(*(inputs[name] for name in self.model.input))
        answers = {}
        for task in self.schema.tasks:
            for key, value in self.heads[task.name].predictions(logits[task.name]).items():
                if key == "value":
                    answers[task.name] = value
                    continue
                # The only task's probabilities need no prefix.
                name = key if len(self.schema.tasks) == 1 else f"{task.name}_{key}"
                answers[name] = value
                answers[task.name] = self._names(task, value)
        return answers

    def _names(self, task, probabilities):
        classes = tf.constant(task.classes)
        if task.kind != "tags":
            return tf.gather(classes, tf.argmax(probabilities, axis=-1))
        chosen = tf.where(probabilities > 0.5, classes[None, :], "")
        joined = tf.strings.reduce_join(chosen, axis=-1, separator="|")
        # Tags that were not chosen left empty places between the separators.
        return tf.strings.regex_replace(tf.strings.regex_replace(joined, r"\|+", "|"), r"^\||\|$", "")

    def endpoints(self):
        """The signatures: dict name -> `(function of tensors, list of TensorSpec)`."""
        endpoints = {
            "serving_default": (self._serving_default, self.raw_specs()),
            "tensors": (self._tensors, self.tensor_specs()),
        }
        if self.embeds:
            endpoints["embed"] = (self._embed, self.raw_specs())
        return endpoints

    def _serving_default(self, *raw):
        inputs, flags = self._preprocess(*raw)
        return {**self._answers(inputs), **flags}

    def _tensors(self, *inputs):
        return self._answers(dict(zip(self.model.input, inputs, strict=True)))

    def _embed(self, *raw):
        inputs, flags = self._preprocess(*raw)
        embedding = self._run(*(inputs[name] for name in self.model.input))["embedding"]
        return {"embedding": tf.cast(embedding, tf.float32), **flags}
