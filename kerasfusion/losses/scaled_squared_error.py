import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class ScaledSquaredError(keras.losses.Loss):
    """Squared error in units of a standard deviation: `((y_true - y_pred) / std)²`.

    Args:
        std: float, the unit; must be positive.

    Call arguments:
        y_true: float `(B,)` or `(B, n)`.
        y_pred: float `(B, n)`.

    Returns:
        float scalar; `(B,)` with `reduction=None`.

    Raises:
        ValueError: if `std` is not positive.

    Example:

    ```python
    loss = kf.losses.ScaledSquaredError(std=2.0)(keras.ops.array([3.0]), keras.ops.array([[5.0]]))  # 1.0
    ```
    """

    def __init__(self, std, **kwargs):
        super().__init__(**kwargs)
        if not std > 0:
            raise ValueError(f"ScaledSquaredError: std must be positive, not {std}.")
        self.std = std

    def call(self, y_true, y_pred):
        y_true = ops.reshape(ops.cast(y_true, y_pred.dtype), ops.shape(y_pred))
        return ops.mean(ops.square((y_true - y_pred) / self.std), axis=-1)

    def get_config(self):
        return {**super().get_config(), "std": self.std}
