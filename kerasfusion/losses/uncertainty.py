import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class UncertaintyWeighted(keras.losses.Loss):
    """A loss whose weight among others is learned: `exp(-s) · loss + s / 2` (arXiv 1705.07115).

    Without the second term every weight would go to 0.

    Args:
        loss: A `keras.losses.Loss`.
        log_variance: `s`, a scalar variable of the model that is trained. It is not saved with the loss but with the
            model; None counts as 0.

    Example:

    ```python
    loss = UncertaintyWeighted(kf.losses.EmbeddingDistance(), head.log_variance)
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
