"""What the export of a model of segments answers besides: the summary of a video."""

import tensorflow as tf

from kerasfusion.serving.signatures import Signatures, output_name

# Of the stored examples, as in the TVSum protocol.
SHARE = 0.15


class SegmentSignatures(Signatures):
    """The endpoints of a model that scores the segments of a video.

    `summarize` takes the inputs of `serving_default` and `share`, float32 `(B,)`: the share of the video to choose.
    It gives `scores` float32 and `chosen` bool, both `(B, T)`. The other endpoints are those of `Signatures`.

    Segment `t` is the `t`-th of `T` equal parts of the video, which makes the best ones the solution of the knapsack.
    At least one is chosen, unless the share is 0 or less or a video cannot be read.

    Args:
        model: A model with one task of type `"segments"`.
        schema: Its `Schema`.
        convert: As for `Signatures`.
    """

    def endpoints(self):
        share = tf.TensorSpec((None,), tf.float32, name="share")
        return {**super().endpoints(), "summarize": (self._summarize, [*self.raw.specs(), share])}

    def raw_examples(self, examples):
        raw = super().raw_examples(examples)
        rows = tf.shape(next(iter(raw.values())))[0]
        return {**raw, "share": tf.fill((rows,), SHARE)}

    def _summarize(self, *raw):
        *raw, share = raw
        inputs, flags = self.raw.preprocess(*raw)
        (task,) = self.schema.of_type("segments")
        predictions = self.predictions(*(inputs[name] for name in self.model.input))
        scores = predictions[output_name(self.schema, task, "probabilities")]
        length = scores.shape[-1]
        # A share of 0.15 is a little less in float32.
        count = tf.cast(tf.floor(tf.clip_by_value(share, 0.0, 1.0) * length + 1e-4), tf.int32)
        count = tf.where(share > 0, tf.maximum(count, 1), 0)
        for video in self.schema.of_kind("video"):
            count = tf.where(flags[f"{video.name}_ok"], count, 0)
        order = tf.argsort(scores, direction="DESCENDING", stable=True)
        rank = tf.argsort(order, stable=True)
        return {"scores": scores, "chosen": rank < count[:, None], **flags}
