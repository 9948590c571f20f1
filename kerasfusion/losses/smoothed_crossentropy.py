import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class SmoothedCrossentropy(keras.losses.Loss):
    """Softmax cross-entropy with label smoothing, for integer labels (arXiv 1512.00567).

    `L = -(1 - s) log p_y - s / C Σ_c log p_c`: Keras has it for one-hot labels alone.

    Args:
        label_smoothing: float in [0, 1), `s`. Defaults to 0.1.
        name: Name of the loss.

    Call arguments:
        y_true: int `(B,)`.
        y_pred: float `(B, C)`, logits.

    Returns:
        float, or `(B,)` with `reduction=None`.

    Raises:
        ValueError: if `label_smoothing` is not in [0, 1).

    Example:

    ```python
    loss = SmoothedCrossentropy(0.1)(keras.ops.array([0, 2]), keras.random.normal((2, 3)))
    ```
    """

    def __init__(self, label_smoothing=0.1, name="smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is a share in [0, 1), not {label_smoothing}.")
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        log_probabilities = ops.log_softmax(y_pred)
        labels = ops.one_hot(ops.reshape(ops.cast(y_true, "int32"), (-1,)), y_pred.shape[-1])
        chosen = ops.sum(labels * log_probabilities, axis=-1)
        return -(1 - self.label_smoothing) * chosen - self.label_smoothing * ops.mean(log_probabilities, axis=-1)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
