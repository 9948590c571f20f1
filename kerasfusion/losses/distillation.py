import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class DistillationLoss(keras.losses.Loss):
    """Knowledge distillation: KL divergence from the teacher's tempered predictions (arXiv 1503.02531).

        T² KL(softmax(teacher / T) ‖ softmax(student / T))

    A high temperature T emphasizes the classes that the teacher considers nearly right; T² keeps the scale of the
    gradient.

    Args:
        temperature: float, T. Defaults to 4.
        mutually_exclusive: bool. If True, the classes exclude one another (softmax). If False, each tag has its own
            sigmoid, and the loss is the mean of their divergences, so that it does not grow with the number of tags.
            Defaults to True.

    Call arguments:
        y_true: float `(B, C)`, the teacher's logits.
        y_pred: float `(B, C)`, the student's logits.

    Returns:
        float32 scalar, the mean weighted by `sample_weight`: rows with weight 0 are ignored.

    Raises:
        ValueError: if the temperature is not positive.

    Example:

    ```python
    teacher, student = keras.random.normal((2, 5)), keras.random.normal((2, 5))
    loss = kf.losses.DistillationLoss(temperature=2.0)(teacher, student)
    ```
    """

    def __init__(self, temperature=4.0, mutually_exclusive=True, **kwargs):
        super().__init__(**{"reduction": "mean_with_sample_weight", **kwargs})
        if not temperature > 0:
            raise ValueError(f"DistillationLoss: the temperature is above 0, not {temperature}.")
        self.temperature = temperature
        self.mutually_exclusive = mutually_exclusive

    def call(self, y_true, y_pred):
        teacher, student = (ops.cast(logits, "float32") / self.temperature for logits in (y_true, y_pred))
        if self.mutually_exclusive:
            divergence = ops.sum(_divergence(ops.log_softmax(teacher), ops.log_softmax(student)), axis=-1)
        else:
            of_tags = (
                _divergence(ops.log_sigmoid(sign * teacher), ops.log_sigmoid(sign * student)) for sign in (1.0, -1.0)
            )
            divergence = ops.mean(sum(of_tags), axis=-1)
        return self.temperature**2 * divergence

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "mutually_exclusive": self.mutually_exclusive,
        }


def _divergence(log_p, log_q):
    """Contribution of each outcome to KL(p ‖ q)."""
    return ops.exp(log_p) * (log_p - log_q)
