"""What the exports of an autoencoder and of a generator answer: images among it, as PNG files."""

import keras
import tensorflow as tf

from kerasfusion.preprocessing.text import join_words
from kerasfusion.serving.signatures import Signatures


class AutoencoderSignatures(Signatures):
    """The endpoints of an autoencoder. An image may be left out (`b""`), and so may a text (`""`).

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | `text`, `image_bytes` string `(B,)` | see below |
    | `encode` | the same | `code` float32 `(B, d)`, `image_ok` bool `(B,)` |
    | `tensors` | the model's own | `code`, `<image>` float32 `(B, H, W, 3)` in 0..1, `<text>_probabilities` |

    `serving_default` gives back both, whatever of them was there: `<image>_bytes` string `(B,)`, PNG; `<text>` string
    `(B,)`, the words that are likelier than not, those of the vocabulary's beginning first; `<text>_probabilities`
    float32 `(B, V)`; `<image>_ok` bool `(B,)`, whether an image came.

    Args:
        model: What `kf.models.autoencoder` made.
        schema: Its `Schema`.
        convert: As for `Signatures`.
    """

    def _network(self):
        self.embeds = False
        code = self.model.encode(self.model.input)
        network = keras.Model(self.model.input, {**self.model.decode(code), "code": code})
        return lambda *inputs: network(dict(zip(self.model.input, inputs, strict=True)), training=False)

    def endpoints(self):
        raw = self.raw.specs()
        return {
            "serving_default": (self._reconstruct, raw),
            "encode": (self._encode, raw),
            "tensors": (self._tensors, self.tensor_specs()),
        }

    def _tensors(self, *inputs):
        found = self._run(*inputs)
        answer = {"code": tf.cast(found.pop("code"), tf.float32)}
        for name, logits in found.items():
            for key, value in self.heads[name].predictions(logits).items():
                answer[name if key == "pixels" else f"{name}_{key}"] = value
        return answer

    def _encode(self, *raw):
        inputs, flags = self.raw.preprocess(*raw)
        found = self._run(*(inputs[name] for name in self.model.input))
        return {"code": tf.cast(found["code"], tf.float32), **flags}

    def _reconstruct(self, *raw):
        inputs, flags = self.raw.preprocess(*raw)
        found = self._tensors(*(inputs[name] for name in self.model.input))
        del found["code"]
        for feature in self.schema.features:
            if feature.kind == "image":
                found[f"{feature.name}_bytes"] = png(found.pop(feature.name))
            else:
                said = found[f"{feature.name}_probabilities"] > 0.5
                found[feature.name] = join_words(tf.where(said, tf.constant(feature.vocabulary)[None], ""))
        return {**found, **flags}


class DrawingSignatures(Signatures):
    """The endpoints of a generator.

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | `text` string `(B,)`, `seed` int32 `(B,)` | `<image>_bytes` string `(B,)`, PNG |
    | `tensors` | the text's ids, `noise` float32 `(B, z)` | `<image>` float32 `(B, H, W, 3)` in 0..1 |

    Equal seeds draw equal images of equal texts, whatever else is in the batch.

    Args:
        model: What `kf.models.generator` made.
        schema: Its `Schema`.
        convert: As for `Signatures`.
    """

    def _network(self):
        self.embeds = False
        return lambda *inputs: self.model(dict(zip(self.model.input, inputs, strict=True)), training=False)

    def endpoints(self):
        seed = tf.TensorSpec((None,), tf.int32, name="seed")
        return {
            "serving_default": (self._draw, [*self.raw.specs(), seed]),
            "tensors": (self._run, self.tensor_specs()),
        }

    def raw_examples(self, examples):
        raw = super().raw_examples(examples)
        return {**raw, "seed": tf.range(len(next(iter(raw.values()))))}

    def own_examples(self, raw):
        return {**super().own_examples(raw), "noise": self._noise(raw["seed"])}

    def _noise(self, seeds):
        width = self.model.input["noise"].shape[-1]
        return tf.map_fn(
            lambda seed: tf.random.stateless_normal((width,), tf.stack([seed, 0])),
            seeds,
            fn_output_signature=tf.float32,
        )

    def _draw(self, *raw):
        *raw, seeds = raw
        given = {**self.raw.preprocess(*raw)[0], "noise": self._noise(seeds)}
        drawn = self._run(*(given[name] for name in self.model.input))
        return {f"{name}_bytes": png(pixels) for name, pixels in drawn.items()}


def png(pixels):
    """Pixels in 0..1, float `(B, H, W, 3)`, as PNG files, string `(B,)`."""
    return tf.io.encode_png(tf.cast(tf.round(255.0 * pixels), tf.uint8))
