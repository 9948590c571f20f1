"""Linear models on fixed features, as an export answers: raw strings and images in, a head's answers out."""

import keras
import tensorflow as tf

from kerasfusion.preprocessing.ngrams import NgramVectorizer
from kerasfusion.serving.exporting import TOLERANCES, write_endpoints, write_examples, write_version
from kerasfusion.serving.features import FEATURES
from kerasfusion.serving.raw_inputs import RawInputs
from kerasfusion.serving.signatures import output_name, with_names

# What an n-gram takes in its table beside its letters: their number, and its place.
ID_BYTES = 10


class NgramLogits(tf.Module):
    """Linear models on the TF-IDF vectors of texts, one behind the other.

    Args:
        features: list of text `Feature`.
        vectorizers: list of (feature name, arguments of `NgramVectorizer`).
        models: dict task name -> (kernel float `(d, outputs)`, bias float `(outputs,)`).
    """

    def __init__(self, features, vectorizers, models):
        super().__init__()
        self.features = features
        self.vectorizers = [(name, NgramVectorizer(**arguments)) for name, arguments in vectorizers]
        sizes = [len(arguments["terms"]) for _, arguments in vectorizers]
        self.kernels = {
            task: [_variable(part, "kernel") for part in tf.split(kernel, sizes)]
            for task, (kernel, _) in models.items()
        }
        self.biases = {task: _variable(bias, "bias") for task, (_, bias) in models.items()}
        terms = [term for _, arguments in vectorizers for term in arguments["terms"]]
        self.vocabulary_bytes = sum(len(term.encode("utf-8", "replace")) + ID_BYTES for term in terms)
        self.variable_count = len(self.variables)

    def __call__(self, raw):
        """Logits and flags of raw inputs, dict feature -> tensor: dict task -> `(B, outputs)`, and an empty dict."""
        vectors = [vectorizer(raw[name]) for name, vectorizer in self.vectorizers]
        logits = {}
        for task, kernels in self.kernels.items():
            products = [tf.sparse.sparse_dense_matmul(*pair) for pair in zip(vectors, kernels, strict=True)]
            logits[task] = tf.add_n(products) + self.biases[task]
        return logits, {}

    def resources(self):
        return [vectorizer.table for _, vectorizer in self.vectorizers]


class EncoderLogits(tf.Module):
    """Linear models on the pooled outputs of frozen encoders, scaled to length 1, and flags of what is missing.

    Args:
        features: list of `Feature`, in the order of the kernel's rows.
        encoder: Encoder layer whose `pooled` output is taken.
        models: As for `NgramLogits`.
        max_pixels: Images of more pixels count as unreadable.
    """

    def __init__(self, features, encoder, models, max_pixels):
        super().__init__()
        self.features = features
        self.raw = RawInputs(features)
        self.raw.max_pixels = max_pixels
        shape, dtype = features[0].input_shape, features[0].traits.dtype
        inputs = keras.Input(shape, dtype=dtype)
        self.network = keras.Model(inputs, encoder(inputs)["pooled"])
        self.models = {task: tuple(_variable(part, "linear") for part in parts) for task, parts in models.items()}
        self.vocabulary_bytes = sum(FEATURES[feature.kind].table_bytes(feature) for feature in features)
        self.variable_count = len(self.network.variables) + 2 * len(models)

    def __call__(self, raw):
        """As for `NgramLogits`, with flags `<image>_ok`."""
        inputs, flags = self.raw.preprocess(*(raw[feature.name] for feature in self.features))
        vectors = []
        for feature in self.features:
            present = tf.cast(inputs[f"{feature.name}_present"], tf.float32)[:, None]
            vector = tf.math.l2_normalize(self.network(inputs[feature.name], training=False), axis=-1, epsilon=1e-24)
            vectors += [vector * present, 1 - present]
        vectors = tf.concat(vectors, axis=1)
        return {task: vectors @ kernel + bias for task, (kernel, bias) in self.models.items()}, flags

    def resources(self):
        return self.raw.resources()


class LinearSignatures(tf.Module):
    """The signature `serving_default` of one or several linear models, whose predictions are averaged.

    Its inputs and outputs have the names and types of those of a network for the same data.

    Args:
        schema: A `Schema` with the features and tasks that are served.
        parts: list of `NgramLogits` and `EncoderLogits`, each with all tasks.
    """

    def __init__(self, schema, parts):
        super().__init__()
        self.schema = schema
        self.parts = parts
        read = {feature.name for part in parts for feature in part.features}
        self.features = [feature for feature in schema.features if feature.name in read]
        self.specs = [FEATURES[feature.kind].spec(feature) for feature in self.features]

    def endpoints(self):
        """The signatures: dict name -> `(function of tensors, list of TensorSpec)`."""
        return {"serving_default": (self._serving_default, self.specs)}

    def resources(self):
        """What holds lookup tables, for an export to track."""
        return [resource for part in self.parts for resource in part.resources()]

    def records(self, examples):
        """Own answers to raw inputs: endpoint -> (inputs, outputs)."""
        given = {spec.name: tf.constant(examples[spec.name], spec.dtype) for spec in self.specs}
        both = given, tf.function(self._serving_default)(*given.values())
        return {"serving_default": tuple({key: value.numpy() for key, value in part.items()} for part in both)}

    def _serving_default(self, *raw):
        rows = tf.stack([tf.shape(value)[0] for value in raw])
        same = tf.debugging.Assert(
            tf.reduce_all(rows == rows[0]), ["The inputs differ in their numbers of rows:", rows]
        )
        with tf.control_dependencies([same]):
            raw = {f.name: tf.identity(value) for f, value in zip(self.features, raw, strict=True)}
        answers = [part({feature.name: raw[feature.name] for feature in part.features}) for part in self.parts]
        flags = {name: flag for _, own in answers for name, flag in own.items()}
        found = {}
        for task in self.schema.tasks:
            key, predict = _prediction(task)
            parts = [predict(logits[task.name]) for logits, _ in answers]
            found[output_name(self.schema, task, key)] = tf.add_n(parts) / len(parts)
        return {**with_names(self.schema, found), **flags}


def write_linear(schema, parts, model_dir, examples, max_pixels):
    """Write the next version of a SavedModel of linear models.

    Args:
        schema: As for `LinearSignatures`.
        parts: As for `LinearSignatures`.
        model_dir: As for `export_model`.
        examples: As for `export_model`.
        max_pixels: Goes onto the card.

    Returns:
        Path: the version's folder. It counts as exported once `verify` has passed on it.
    """
    signatures = LinearSignatures(schema, parts)

    def write(folder):
        write_endpoints(folder, signatures.endpoints(), signatures.resources())
        write_examples(folder, signatures.records(examples), folder.parent.name)
        features = signatures.features
        return {
            "variant": "variables",
            "tolerance": TOLERANCES["variables"],
            "vocabulary_bytes": sum(part.vocabulary_bytes for part in parts),
            "constant_bytes": 0,
            "variables": sum(part.variable_count for part in parts),
            "max_pixels": max_pixels,
            "features": {f.name: f.kind for f in features},
            "inputs": {f.columns[0]: spec.name for f, spec in zip(features, signatures.specs, strict=True)},
            "outputs": {task.column: task.name for task in schema.tasks},
            "classes": {task.name: list(task.classes) for task in schema.tasks},
            "types": {task.name: task.type for task in schema.tasks},
        }

    return write_version(model_dir, write)


def _prediction(task):
    """What a head of the task's type calls its prediction, and how logits become it."""
    if task.is_number:
        return "value", lambda logits: logits[:, 0]
    return "probabilities", tf.sigmoid if task.any_classes else tf.nn.softmax


def _variable(value, name):
    return tf.Variable(tf.cast(value, tf.float32), trainable=False, name=name)
