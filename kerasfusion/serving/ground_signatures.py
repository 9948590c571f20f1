"""What the export of a model that finds a box in an image answers."""

import tensorflow as tf

from kerasfusion.preprocessing.image import shown_sizes
from kerasfusion.serving.signatures import Signatures


class GroundSignatures(Signatures):
    """The endpoints of a model of one box, which a text may ask for.

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | `text`, `image_bytes` string `(B,)` | `box` float32 `(B, 4)`, `score` `(B,)`, `image_ok` |
    | `ground` | the same | the same, and `box_pixels` float32 `(B, 4)`, `text_ok` bool `(B,)` |
    | `tensors` | the model's own | `box`, `score` |

    A box is left, top, right and bottom: `box` as fractions of the image, `box_pixels` in pixels of the image that
    was sent, as it is shown (an EXIF orientation is undone). `ground` finds nothing in an image that is missing or
    cannot be read, and without a text: the box and the score are then 0. `serving_default` says what the model says
    without them.

    Args:
        model: A model with one task of type `"box"`, such as `kf.models.grounder` makes.
        schema: Its `Schema`.
        convert: What is made of the network, as for `Signatures`.
    """

    def _network(self):
        network = super()._network()
        # Its representation may be a grid of cells.
        self.embeds = False
        return lambda *inputs: {task.name: network(*inputs)[task.name] for task in self.schema.tasks}

    def endpoints(self):
        return {**super().endpoints(), "ground": (self._ground, self.raw.specs())}

    def _ground(self, *raw):
        inputs, flags = self.raw.preprocess(*raw)
        found = self._tensors(*(inputs[name] for name in self.model.input))
        (task,) = self.schema.tasks
        (image,) = (feature for feature in self.raw.features if feature.kind == "image")
        texts = [feature.name for feature in self.raw.features if feature.kind == "text"]
        flags |= {f"{name}_ok": inputs[f"{name}_present"] for name in texts}
        readable = flags[f"{image.name}_ok"]
        whole = tf.reduce_all(tf.stack([readable, *(flags[f"{name}_ok"] for name in texts)]), axis=0)
        encoded = raw[[feature.name for feature in self.raw.features].index(image.name)]
        sizes = tf.cast(shown_sizes(encoded, readable), tf.float32)
        box = tf.where(whole[:, None], found[task.name], 0.0)
        pixels = box * tf.gather(sizes, [1, 0, 1, 0], axis=1)
        return {task.name: box, f"{task.name}_pixels": pixels, "score": tf.where(whole, found["score"], 0.0), **flags}
