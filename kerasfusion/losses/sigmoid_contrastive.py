import keras
from keras import ops

from kerasfusion.losses.pairs import PairLoss


@keras.saving.register_keras_serializable("kerasfusion")
class SigmoidContrastiveLoss(PairLoss):
    """The loss of SigmoidContrastiveLoss (arXiv 2303.15343): every pair by itself is a yes or a no.

        Σ_{i,j} log(1 + exp(−z_ij s_ij)) / |P|,  z = 1 for the positive pairs P and −1 for the negative ones

    With one positive for each row it is the paper's mean over rows. No pair depends on the rest of the batch, so it
    needs no large one.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 neither.
        y_pred: float `(N, M)`: logits, `t · cosine + b` with a learned `t` and `b`. The paper starts at t = 10 and
            b = −10, since most pairs are negative.

    Returns:
        float32 scalar.

    Example:

    ```python
    images, texts = (keras.ops.normalize(x, axis=-1) for x in (images, texts))  # (N, d), (N, d)
    loss = kf.losses.SigmoidContrastiveLoss()(keras.ops.eye(len(images)), images @ texts.T * 10.0 - 10.0)
    ```
    """

    def of_pairs(self, scores, positive, negative):
        yes = ops.where(positive, ops.softplus(-scores), 0.0)
        no = ops.where(negative, ops.softplus(scores), 0.0)
        count = ops.sum(ops.cast(positive, "float32"))
        return ops.sum(yes + no) / ops.maximum(count, 1.0)
