import keras
from keras import ops

from kerasfusion.losses.pairs import PairLoss
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class BPRLoss(PairLoss):
    """Bayesian personalized ranking (arXiv 1205.2618): each positive has to score higher than each negative.

        −log σ(s_ip − s_iq)  for a user i, a positive p and a negative q

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, the scores of M items for each of N users.

    Returns:
        float32 scalar: the mean over all (i, p, q). It forms an array of `N · M · M`.

    Example:

    ```python
    scores = keras.ops.array([[2.0, 0.5], [0.1, 1.0]])  # one positive and one negative for each user
    loss = kf.losses.BPRLoss()(keras.ops.array([[1, 0], [1, 0]]), scores)
    ```
    """

    def of_pairs(self, scores, positive, negative):
        pairs = ops.logical_and(positive[:, :, None], negative[:, None, :])
        # −log σ(p − q) = softplus(q − p)
        return masked_mean(ops.softplus(scores[:, None, :] - scores[:, :, None]), pairs)
