import keras
from keras import ops

from kerasfusion.losses.box_maps import paired_iou, peaks


@keras.saving.register_keras_serializable("kerasfusion")
class BoxAccuracy(keras.metrics.Mean):
    """Share of boxes that are found: intersection over union with the label of at least `threshold`.

    Args:
        threshold: float. Defaults to 0.5.
        name: str. Defaults to `"accuracy"`.

    Call arguments:
        y_true: float `(B, 4)`: left, top, right and bottom as fractions of the image.
        y_pred: float `(B, h, w, 5)`, maps of a `BoxHead`.

    Example:

    ```python
    metric = BoxAccuracy()
    metric.update_state([[0.1, 0.1, 0.4, 0.4]], keras.random.normal((1, 8, 8, 5)))
    ```
    """

    def __init__(self, threshold=0.5, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        boxes, _, _ = peaks(ops.cast(y_pred, "float32"), 1)
        overlap = paired_iou(boxes[:, 0], ops.cast(y_true, "float32"))
        return super().update_state(ops.cast(overlap >= self.threshold, "float32"), sample_weight)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}
