import keras
from keras import ops

from kerasfusion.heads.multilabel import MultiLabelHead


@keras.saving.register_keras_serializable("kerasfusion")
class SegmentsHead(MultiLabelHead):
    """Segments of a video to choose: one sigmoid cross-entropy per segment.

        z_t = w · x_t + b, one layer for all segments;  of a pooled vector, z = W x + b

    A fusion that gives a vector for each frame (`TokenTransformer(read_at="video")`) has its frames scored one by one
    (the saliency of arXiv 2107.09609); that of a pooled vector has a score for each place in time. Labels are
    float32 `(B, T)` of zeros and ones.

    Args:
        outputs: int, number of segments `T`.

    Call arguments:
        representation: float `(B, T, d)`, or float `(B, d)`.

    Returns:
        float32 `(B, T)`.

    Raises:
        ValueError: at build time, if there is another number of vectors than of segments.

    Example:

    ```python
    head = SegmentsHead(24)
    head.predictions(head(keras.random.normal((2, 24, 16))))["probabilities"]  # (2, 24), each in 0..1
    ```
    """

    def build(self, representation_shape):
        self.by_frame = len(representation_shape) == 3
        if self.by_frame:
            if representation_shape[1] != self.outputs:
                raise ValueError(
                    f"{self.name}: {representation_shape[1]} frames cannot be scored as {self.outputs} segments; "
                    f"read as many frames of each video as a label has segments (frames={self.outputs}, --frames)."
                )
            self.dense = keras.layers.Dense(1, dtype="float32", name="logits")
        super().build(representation_shape)

    def call(self, representation):
        logits = self.dense(representation)
        return ops.squeeze(logits, axis=-1) if self.by_frame else logits

    def metrics_for(self):
        return [keras.metrics.BinaryAccuracy(name="segment_accuracy", threshold=0.0)]
