"""The network for LiteRT, its weights in 8-bit integers: for phones and servers that count every megabyte."""

import tempfile

import keras
import tensorflow as tf

from kerasfusion.schema import Schema
from kerasfusion.serving.freezing import freeze
from kerasfusion.serving.lite_model import FILE, SCHEMA_FILE, LiteModel
from kerasfusion.serving.raw_inputs import RawInputs
from kerasfusion.serving.signatures import Signatures, with_names

# Eight bits for a weight, and for what it is multiplied with, leave errors of up to 1/256 of a layer's range in each
# layer. `verify` asks for no more than that the model is the same one; what it lost is its accuracy before and after,
# on the card.
TOLERANCE = 0.1


def convert_lite(model, schema):
    """Turn a model's network into a LiteRT model with 8-bit weights ("dynamic range quantization").

    What goes into a matrix product or a convolution is put into 8 bits by its own range when it is run, the rest
    stays float32. Everything in 8 bits, by ranges seen on training rows, would change more answers.

    Args:
        model: A plain model.
        schema: Its `Schema`.

    Returns:
        bytes: the model. Its signature `tensors` takes the model's own inputs and gives the numbers that the
        SavedModel's gives; class names are not in it, because LiteRT has no strings. The batch is open, or 1 where
        the network has a loop (a recurrent network over more words than are unrolled).
    """
    signatures = Signatures(model, schema, freeze)
    if signatures.has_loops():
        # LiteRT's loops need the size of the batch beforehand.
        signatures = Signatures(model, schema, freeze, batch=1)
    archive = keras.export.ExportArchive()
    archive.add_endpoint("tensors", signatures.predictions, signatures.tensor_specs())
    # Not from_concrete_functions: that gave a model that answers NaN for an unrolled recurrent network.
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["tensors"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def write_lite(model, schema, version):
    """Write `model_int8.tflite` and `schema.json` into a version's `assets.extra/`; returns the card's entry."""
    content = convert_lite(model, schema)
    (version / FILE).write_bytes(content)
    schema.save(version / SCHEMA_FILE)
    return {"file": FILE, "bytes": len(content), "tolerance": TOLERANCE}


class LitePredictor:
    """Answers raw strings and images with the LiteRT model of an export.

    Tokenising and decoding need TensorFlow; only the network runs in LiteRT. On a device without TensorFlow feed
    `LiteModel` with ids and pixels of your own: `schema.json` beside it has the vocabulary, whose first word has
    id 4 (0 is padding, 1 an unknown word, 2 and 3 start and end).

    Args:
        version: `pathlib.Path` of the exported version.
        threads: Threads of LiteRT.

    Raises:
        ImportError: The extra `[lite]` is not installed.
        FileNotFoundError: The version was exported without `--lite`.

    Example:

    ```python
    predictor = kf.serving.LitePredictor(Path("saved_models/pets/3"))
    predictor.run({"text": ["a small brown dog"], "image_bytes": [png]})["label"]  # [b"dog"]
    ```
    """

    def __init__(self, version, threads=1):
        self.model = LiteModel(version / FILE, threads)
        self.schema = Schema.load(version / SCHEMA_FILE)
        names = self.model.inputs
        self.raw = RawInputs([feature for feature in self.schema.features if feature.name in names])

    def run(self, inputs):
        """Answer one batch.

        Args:
            inputs: dict as `serving_default` takes it.

        Returns:
            dict as `serving_default` gives it.
        """
        specs = self.raw.specs()
        own, flags = self.raw.preprocess(*(tf.constant(inputs[spec.name], spec.dtype) for spec in specs))
        answers = self.model.run({name: own[name].numpy() for name in self.model.inputs})
        found = {name: tf.constant(value) for name, value in answers.items()}
        return {name: value.numpy() for name, value in {**with_names(self.schema, found), **flags}.items()}
