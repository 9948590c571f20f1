import keras
from keras import ops

from kerasfusion.losses.caption_crossentropy import word_weights


@keras.saving.register_keras_serializable("kerasfusion")
class TokenAccuracy(keras.metrics.Mean):
    """Fraction of tokens that are the most likely ones, given the previous tokens of the reference.

    Call arguments:
        y_true: int `(…, T)`, 0 is padding.
        y_pred: float `(…, T, V)`, logits.
        sample_weight: Optional float `(…,)`, weights of whole captions.

    Example:

    ```python
    metric = kf.metrics.TokenAccuracy()
    metric.update_state(keras.ops.array([[1, 2, 0]]), keras.ops.one_hot(keras.ops.array([[1, 0, 0]]), 3))
    metric.result()  # 0.5
    ```
    """

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "int32")
        hits = ops.cast(ops.equal(y_true, ops.cast(ops.argmax(y_pred, axis=-1), "int32")), "float32")
        super().update_state(hits, sample_weight=word_weights(y_true, sample_weight))
