import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class InBatchRecall(keras.metrics.Mean):
    """R@1 within a batch: the share of texts whose nearest image in the batch is their own.

    It shows that training goes on; it depends on the batch's size and is no substitute for R@K on a gallery.

    Call arguments:
        y_true: `(N, M)`, images by texts: 1, they belong together; 0, they do not; -1, not known.
        y_pred: float `(N, M)`, scores.
    """

    def __init__(self, name="recall", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        known = ops.not_equal(y_true, -1)
        nearest = ops.argmax(ops.where(known, ops.cast(y_pred, "float32"), -float("inf")), axis=0)
        positive = ops.cast(ops.equal(y_true, 1), "float32")
        hits = ops.take_along_axis(positive, nearest[None], axis=0)[0]
        super().update_state(hits, sample_weight=ops.max(positive, axis=0))
