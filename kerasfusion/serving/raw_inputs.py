"""What a caller sends, strings and encoded images, to what a model takes."""

import tensorflow as tf

from kerasfusion.bounds import SERVING_PIXELS
from kerasfusion.preprocessing.features import FEATURES as PREPROCESSING
from kerasfusion.serving.features import FEATURES


class RawInputs:
    """The raw inputs of some features, and the way from them to token ids and pixels.

    Args:
        features: The model's `Feature`s, in the order of its inputs.

    Attributes:
        max_pixels: Images of more pixels count as unreadable. Set it before the first call.
        lookups: feature -> what holds its lookup table, of a text its `TextVectorization`.
    """

    def __init__(self, features):
        self.features = features
        self.max_pixels = SERVING_PIXELS
        made = {f.name: PREPROCESSING[f.kind].resource(f) for f in features}
        self.lookups = {name: resource for name, resource in made.items() if resource is not None}
        # Traced once and called by every endpoint: a copy of its graph in each would add to a small export.
        self._parts = {f.name: tf.function(self._part(f), input_signature=[self.spec(f)]) for f in features}
        self._preprocess = tf.function(self._preprocess, input_signature=self.specs())

    def spec(self, feature):
        """The `tf.TensorSpec` of one feature."""
        return FEATURES[feature.kind].spec(feature)

    def specs(self):
        """Their `tf.TensorSpec`s: `<text>` and `<image>_bytes` string `(B,)`, `<numbers>` float32 `(B, d)`."""
        return [self.spec(feature) for feature in self.features]

    def preprocess(self, *raw):
        """Turn raw inputs, in the order of `specs()`, into the model's own.

        Returns:
            tuple: dict of the model's inputs, and dict `<image>_ok` -> bool `(B,)`, False where an image is missing
            or cannot be read.
        """
        return self._preprocess(*raw)

    def resources(self):
        """What holds lookup tables, for an export to track."""
        return list(self.lookups.values())

    def preprocess_one(self, feature, value):
        """The same for one feature alone."""
        return self._parts[feature.name](value)

    def _preprocess(self, *raw):
        # Else one row of one input would be taken for all rows of another.
        rows = tf.stack([tf.shape(value)[0] for value in raw])
        message = f"The inputs ({', '.join(spec.name for spec in self.specs())}) differ in their numbers of rows:"
        same = tf.debugging.Assert(tf.reduce_all(rows == rows[0]), [message, rows])
        with tf.control_dependencies([same]):
            raw = [tf.identity(value) for value in raw]
        inputs, flags = {}, {}
        for feature, value in zip(self.features, raw, strict=True):
            own, flag = self._parts[feature.name](value)
            inputs.update(own)
            flags.update(flag)
        return inputs, flags

    def _part(self, feature):
        name, kind = feature.name, PREPROCESSING[feature.kind]

        def preprocess(value):
            own, present = kind.read(feature, value, self.lookups.get(name), self.max_pixels)
            flags = {f"{name}_ok": present} if feature.traits.stored else {}
            return {name: own, f"{name}_present": present}, flags

        return preprocess
