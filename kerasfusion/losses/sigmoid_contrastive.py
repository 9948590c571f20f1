import keras
from keras import ops

from kerasfusion.losses.pairs import PairLoss


@keras.saving.register_keras_serializable("kerasfusion")
class SigmoidContrastiveLoss(PairLoss):
    """Sigmoid contrastive loss: a binary classification of every pair (SigLIP, arXiv 2303.15343).

        Σ_{i,j} log(1 + exp(−z_ij s_ij)) / |P|,  z = 1 for the positive pairs P and −1 for the negative ones

    With one positive per row this is the paper's mean over rows. Pairs are independent of the rest of the batch, so
    no large batch is needed.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, logits `t · cosine + b` with learned `t` and `b`. The paper initializes t = 10 and
            b = −10, since most pairs are negative.

    Returns:
        float32 scalar.

    Example:

    ```python
    images, texts = (keras.ops.normalize(keras.random.normal((4, 8)), axis=-1) for _ in range(2))
    logits = keras.ops.matmul(images, keras.ops.transpose(texts)) * 10.0 - 10.0
    loss = kf.losses.SigmoidContrastiveLoss()(keras.ops.eye(4), logits)
    ```
    """

    def of_pairs(self, scores, positive, negative):
        yes = ops.where(positive, ops.softplus(-scores), 0.0)
        no = ops.where(negative, ops.softplus(scores), 0.0)
        count = ops.sum(ops.cast(positive, "float32"))
        return ops.sum(yes + no) / ops.maximum(count, 1.0)
