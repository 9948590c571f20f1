"""A lower learning rate for pretrained layers that are fine-tuned."""

import keras
from keras import ops

from kerasfusion.models import plain_model


class SlowBackboneAdamW(keras.optimizers.AdamW):
    """AdamW whose updates of some weights, weight decay included, are multiplied by a ratio.

    Args:
        ratios: list of `(variable, ratio)`.
        learning_rate: As for `AdamW`.
        **settings: As for `AdamW`.

    Example:

    ```python
    optimizer = SlowBackboneAdamW([(weight, 0.025) for weight in encoder.pretrained_weights], learning_rate=2e-3)
    ```
    """

    def __init__(self, ratios, learning_rate=1e-3, **settings):
        super().__init__(learning_rate, **settings)
        self.ratios = ratios

    def apply(self, grads, trainable_variables=None):
        before = [ops.copy(ops.convert_to_tensor(variable)) for variable, _ in self.ratios]
        super().apply(grads, trainable_variables)
        for (variable, ratio), value in zip(self.ratios, before, strict=True):
            variable.assign(value + ratio * (ops.convert_to_tensor(variable) - value))


def backbone_ratios(model, config):
    """Which weights learn more slowly than the others.

    Args:
        model: A model, or a training wrapper of one.
        config: A `TrainingConfig`.

    Returns:
        list of `(variable, ratio)`: trainable weights of pretrained layers, and their share of the learning rate.
    """
    ratios = []
    for encoder in getattr(plain_model(model), "encoders", {}).values():
        ratio = getattr(encoder, "learning_rate_ratio", 1.0)
        if config.backbone_learning_rate is not None:
            ratio = config.backbone_learning_rate / config.learning_rate
        if ratio != 1.0:
            ratios += [(weight, ratio) for weight in getattr(encoder, "pretrained_weights", ())]
    return ratios
