import keras
from keras import ops

# The least gap between two thresholds that float32 logits resolve.
_LEAST_GAP = 1e-6


@keras.saving.register_keras_serializable("kerasfusion")
class CumulativeLinkLoss(keras.losses.Loss):
    """Negative log-likelihood of ordered classes under a cumulative link model.

    `-log P(y)`, where `P(y) = σ(l_{y-1}) - σ(l_y)`, `l_k` is the logit of `P(y > k)`, `l_{-1} = ∞` and
    `l_{C-1} = -∞`: the proportional odds model of McCullagh, "Regression Models for Ordinal Data" (JRSS B, 1980).
    Computed as
    `-[log σ(l_{y-1}) + log σ(-l_y) + log(1 - exp(l_y - l_{y-1}))]`, which stays finite where a difference of two
    sigmoids is 0.

    Args:
        name: str. Defaults to `"cumulative_link_loss"`.
        reduction: As in `keras.losses.Loss`. Defaults to `"sum_over_batch_size"`.

    Call arguments:
        y_true: int `(B,)`, place of the class in the order, from 0.
        y_pred: float `(B, C - 1)`, decreasing logits of `P(y > k)`.

    Returns:
        float32 `(B,)`, reduced.

    Example:

    ```python
    loss = CumulativeLinkLoss()
    loss(np.array([0, 2]), np.array([[-3.0, -4.0], [4.0, 3.0]]))  # both right: near 0
    ```
    """

    def __init__(self, name="cumulative_link_loss", reduction="sum_over_batch_size", **kwargs):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        return -ops.sum(ops.one_hot(_places(y_true, y_pred), y_pred.shape[-1] + 1) * log_class(y_pred), axis=-1)


def log_class(logits):
    """Log-probability of each class, `(..., C)`, of logits of `P(y > k)`, `(..., C - 1)`."""
    above, below = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
    gaps = ops.maximum(logits[..., :-1] - logits[..., 1:], _LEAST_GAP)
    between = above[..., :-1] + below[..., 1:] + ops.log(-ops.expm1(-gaps))
    return ops.concatenate([below[..., :1], between, above[..., -1:]], axis=-1)


def _places(y_true, y_pred):
    """Labels as int32 of the logits' leading shape: Keras may have given them a last axis of 1."""
    labels = ops.cast(y_true, "int32")
    return ops.squeeze(labels, axis=-1) if len(labels.shape) == len(y_pred.shape) else labels
