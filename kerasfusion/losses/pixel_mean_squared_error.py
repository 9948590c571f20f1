import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class PixelMeanSquaredError(keras.losses.Loss):
    """Mean squared error of an image's pixels in 0..1, divided by `stddev²`.

    The division scales the loss so that a typical error of `stddev` per pixel gives a loss of 1, comparable to a
    cross-entropy.

    Args:
        stddev: float, error that gives a loss of 1. Defaults to 0.1.

    Call arguments:
        y_true: uint8 `(B, H, W, 3)`.
        y_pred: float `(B, H, W, 3)`, logits.

    Returns:
        float32 scalar; `(B,)` with `reduction=None`.

    Example:

    ```python
    images, logits = keras.ops.zeros((2, 8, 8, 3), "uint8"), keras.random.normal((2, 8, 8, 3))
    loss = kf.losses.PixelMeanSquaredError()(images, logits)
    ```
    """

    def __init__(self, stddev=0.1, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, y_true, y_pred):
        error = ops.sigmoid(y_pred) - ops.cast(y_true, y_pred.dtype) / 255.0
        return ops.mean(ops.square(error / self.stddev), axis=(1, 2, 3))

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}
