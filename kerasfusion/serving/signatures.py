"""What an export answers: raw strings and image bytes in, named answers out."""

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

    def preprocess(self, *raw):
        """Raw inputs to the model's own inputs, and a flag per picture."""
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

    def answers(self, inputs):
        """The model's own inputs to named answers, task by task."""
        logits = self.model(inputs, training=False)
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

    def serving_default(self, *raw):
        """Raw strings and bytes to answers; `<image>_ok` says which pictures could be read."""
        inputs, flags = self.preprocess(*raw)
        return {**self.answers(inputs), **flags}

    def tensors(self, *inputs):
        """The model's own inputs to answers."""
        return self.answers(dict(zip(self.model.input, inputs, strict=True)))

    def embed(self, *raw):
        """Raw strings and bytes to the fused representation, `embedding` float32 `(B, d)`."""
        inputs, flags = self.preprocess(*raw)
        return {"embedding": tf.cast(self.embedder(inputs, training=False), tf.float32), **flags}

    @property
    def embedder(self):
        """The model up to its fusion layer; None for a model that fuses predictions and has no such layer."""
        import keras

        if "fusion" not in [layer.name for layer in self.model.layers]:
            return None
        return keras.Model(self.model.input, self.model.get_layer("fusion").output)
