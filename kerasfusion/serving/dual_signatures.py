"""What the export of a dual encoder answers: embeddings, similarities, candidate labels, and a gallery's search."""

import math

import tensorflow as tf

from kerasfusion.models import get_tower
from kerasfusion.serving.signatures import Signatures


class DualSignatures(Signatures):
    """The endpoints of a dual encoder. Each branch is traced once and called by all of them.

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | `text`, `image_bytes` string `(B,)` | `similarity` float32 `(B,)`, `image_ok` bool `(B,)` |
    | `tensors` | the model's own | `similarity` |
    | `embed_text` | `text` | `embedding` float32 `(B, d)` |
    | `embed_image` | `image_bytes` | `embedding`, `image_ok` |
    | `zero_shot` | `image_bytes`, `labels` string `(B, C)` | `label`, `scores`, `probabilities` `(B, C)`, `image_ok`|
    | `search` | `text` | `ids` string `(B, k)`, `scores` float32 `(B, k)` |
    | `search_by_image` | `image_bytes` | `ids`, `scores`, `image_ok` |

    `scores` are cosines. `k` is fixed when the gallery is indexed: in TensorFlow Serving's row form every input is
    part of every row. There, all rows of one request need equally many labels; `""` fills up, and is never chosen.
    An unreadable image finds nothing: empty ids, scores of 0.

    Args:
        model: What `kf.models.dual_encoder` made.
        schema: Its `Schema`.
        convert: What is made of each branch, as for `Signatures`.
        gallery: A `Gallery`; None leaves the searches out.
    """

    def __init__(self, model, schema, convert=None, gallery=None):
        (self.text,), (self.image,) = schema.of_kind("text"), schema.of_kind("image")
        self.gallery = gallery
        self._convert = convert or (lambda function: function)
        super().__init__(model, schema)
        (head,) = self.heads.values()
        # What the loss multiplied the cosines with; losses without a learned scale compared them as they are.
        self.scale = 1.0 if head.log_scale is None else math.exp(float(head.log_scale))

    def _network(self):
        self.embeds = False
        (self._embed_words, self._embed_pixels) = (self._branch(feature) for feature in (self.text, self.image))
        ((task, head),) = self.heads.items()

        def network(*inputs):
            given = dict(zip(self.model.input, inputs, strict=True))
            return {task: head({"text": self._words(given), "image": self._pixels(given)})}

        return network

    def _branch(self, feature):
        branch = get_tower(self.model, feature)
        specs = [spec for spec in self.tensor_specs() if spec.name in branch.input]
        names = [spec.name for spec in specs]
        run = tf.function(
            lambda *inputs: {"embedding": branch(dict(zip(names, inputs, strict=True)), training=False)},
            input_signature=specs,
        )
        return self._convert(run)

    def _words(self, inputs):
        return self._embed_words(inputs[self.text.name], inputs[f"{self.text.name}_present"])["embedding"]

    def _pixels(self, inputs):
        return self._embed_pixels(inputs[self.image.name], inputs[f"{self.image.name}_present"])["embedding"]

    def endpoints(self):
        text, image = ([self.raw.spec(feature)] for feature in (self.text, self.image))
        labels = tf.TensorSpec((None, None), tf.string, name="labels")
        endpoints = {
            **super().endpoints(),
            "embed_text": (self._embed_text, text),
            "embed_image": (self._embed_image, image),
            "zero_shot": (self._zero_shot, [*image, labels]),
        }
        if self.gallery is not None:
            endpoints["search"] = (self._search, text)
            endpoints["search_by_image"] = (self._search_by_image, image)
        return endpoints

    def raw_examples(self, examples):
        """The texts also stand for the labels that an image may have, all of them for each."""
        raw = super().raw_examples(examples)
        texts = raw[self.text.name]
        return {**raw, "labels": tf.tile(texts[None], (tf.shape(texts)[0], 1))}

    def _embed_text(self, text):
        inputs, _ = self.raw.preprocess_one(self.text, text)
        return {"embedding": self._words(inputs)}

    def _embed_image(self, encoded):
        inputs, flags = self.raw.preprocess_one(self.image, encoded)
        return {"embedding": self._pixels(inputs), **flags}

    def _zero_shot(self, encoded, labels):
        images = self._embed_image(encoded)
        inputs, _ = self.raw.preprocess_one(self.text, tf.reshape(labels, (-1,)))
        shape = tf.shape(labels)
        texts = tf.reshape(self._words(inputs), (shape[0], shape[1], images["embedding"].shape[-1]))
        there = tf.reshape(inputs[f"{self.text.name}_present"], shape)
        cosines = tf.einsum("bd,bcd->bc", images.pop("embedding"), texts)
        # -1 is the least that a cosine can be.
        scores = tf.where(there, cosines, -1.0)
        logits = tf.where(there, self.scale * cosines, -1e9)
        label = tf.gather(labels, tf.argmax(logits, axis=-1), batch_dims=1)
        return {"label": label, "scores": scores, "probabilities": tf.nn.softmax(logits), **images}

    def _search(self, text):
        return self.gallery.search(self._embed_text(text)["embedding"])

    def _search_by_image(self, encoded):
        found = self._embed_image(encoded)
        nearest = self.gallery.search(found.pop("embedding"))
        (readable,) = found.values()
        return {
            "ids": tf.where(readable[:, None], nearest["ids"], ""),
            "scores": tf.where(readable[:, None], nearest["scores"], 0.0),
            **found,
        }
