import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class ScaledSquaredError(keras.losses.Loss):
    """`((y - prediction) / std)²`: squared error that does not depend on the label's unit.

    Args:
        std: The unit; must be positive.
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
