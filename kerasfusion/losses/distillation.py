import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class DistillationLoss(keras.losses.Loss):
    """How far a student's probabilities are from its teacher's (knowledge distillation, arXiv 1503.02531).

    `T² KL(softmax(teacher / T) ‖ softmax(student / T))`: a high temperature T shows what the teacher takes for nearly
    right; T² keeps the size of the gradient. 0 where both agree.

    Args:
        temperature: T.
        mutually_exclusive: One of the classes is right; False: each may be by itself (tags), with a divergence of its
            own. The loss is their mean, as the cross-entropy of tags is, so that their number does not weigh the
            teacher.

    Call arguments:
        y_true: float `(B, C)`, the teacher's logits.
        y_pred: float `(B, C)`, the student's.

    Returns:
        float32 scalar: the mean over weights, so rows of weight 0 count nothing.

    Raises:
        ValueError: the temperature is not above 0.

    Example:

    ```python
    loss = kf.losses.DistillationLoss(temperature=2.0)(teacher(batch)["label"], student(batch)["label"])
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
    """What each outcome adds to KL(p ‖ q)."""
    return ops.exp(log_p) * (log_p - log_q)
