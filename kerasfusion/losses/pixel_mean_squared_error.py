import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class PixelMeanSquaredError(keras.losses.Loss):
    """Mean squared error of an image's pixels, brightness running from 0 to 1.

    It is divided by `stddev²`: as far off as that, a pixel counts 1, about as much as a word that is guessed.

    Args:
        stddev: Error that counts 1.

    Call arguments:
        y_true: uint8 `(B, H, W, 3)`.
        y_pred: float `(B, H, W, 3)`, logits.

    Returns:
        float32 scalar; `(B,)` without a reduction.

    Example:

    ```python
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
