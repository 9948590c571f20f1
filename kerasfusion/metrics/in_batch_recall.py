import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class InBatchRecall(keras.metrics.Mean):
    """Recall at 1 within a batch: the fraction of texts whose most similar image in the batch is their own.

    It shows the progress of training. It depends on the batch size and does not replace recall on a gallery.

    Call arguments:
        y_true: `(N, M)`, images by texts: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, scores.

    Example:

    ```python
    metric = kf.metrics.InBatchRecall()
    metric.update_state(keras.ops.eye(2), keras.ops.array([[0.9, 0.4], [0.1, 0.3]]))
    metric.result()  # 0.5
    ```
    """

    def __init__(self, name="recall", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        known = ops.not_equal(y_true, -1)
        nearest = ops.argmax(ops.where(known, ops.cast(y_pred, "float32"), -float("inf")), axis=0)
        positive = ops.cast(ops.equal(y_true, 1), "float32")
        hits = ops.take_along_axis(positive, nearest[None], axis=0)[0]
        super().update_state(hits, sample_weight=ops.max(positive, axis=0))
