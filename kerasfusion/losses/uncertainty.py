import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class UncertaintyWeighted(keras.losses.Loss):
    """Weight a loss by learned homoscedastic uncertainty: `exp(-s) · loss + s / 2` (arXiv 1705.07115).

    The second term keeps the weight `exp(-s)` from vanishing.

    Args:
        loss: `keras.losses.Loss`.
        log_variance: Optional scalar variable `s` of the model. It is saved with the model, not with the loss; `None`
            returns the loss unchanged.

    Call arguments:
        y_true, y_pred, sample_weight: As for `loss`.

    Returns:
        float32 scalar.

    Example:

    ```python
    s = keras.Variable(0.5)
    loss = kf.losses.UncertaintyWeighted(kf.losses.EmbeddingDistance(), s)
    loss(keras.ops.array([[1.0, 0.0]]), keras.ops.array([[0.0, 1.0]]))  # exp(-0.5) + 0.25
    ```
    """

    def __init__(self, loss, log_variance=None, **kwargs):
        super().__init__(**{"name": loss.name, **kwargs})
        self.loss = loss
        self.log_variance = log_variance

    def __call__(self, y_true, y_pred, sample_weight=None):
        found = self.loss(y_true, y_pred, sample_weight)
        if self.log_variance is None:
            return found
        s = ops.cast(self.log_variance, "float32")
        return ops.exp(-s) * found + s / 2

    def get_config(self):
        return {**super().get_config(), "loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
