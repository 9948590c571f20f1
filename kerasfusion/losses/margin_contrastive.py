import keras
from keras import ops

from kerasfusion.losses.pairs import PairLoss
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class MarginContrastiveLoss(PairLoss):
    """Positives are drawn together, negatives pushed apart until their cosine is below a margin.

        mean over positives of (1 − s)  +  mean over negatives of max(0, s − margin)

    The contrastive loss of Hadsell, Chopra and LeCun (2006) on cosines. Each kind has a mean of its own, since a
    batch of N pairs has N − 1 times as many negatives.

    Args:
        margin: Cosine below which a negative pair costs nothing, in [-1, 1).

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 neither.
        y_pred: float `(N, M)`: cosine similarities.

    Returns:
        float32 scalar.

    Raises:
        ValueError: a margin outside [-1, 1).

    Example:

    ```python
    images, texts = (keras.ops.normalize(x, axis=-1) for x in (images, texts))  # (N, d), (N, d)
    loss = kf.losses.MarginContrastiveLoss(0.2)(keras.ops.eye(len(images)), images @ texts.T)
    ```
    """

    def __init__(self, margin=0.2, **kwargs):
        super().__init__(**kwargs)
        if not -1 <= margin < 1:
            raise ValueError(f"MarginContrastiveLoss: margin is a cosine in [-1, 1), not {margin}.")
        self.margin = margin

    def of_pairs(self, scores, positive, negative):
        return masked_mean(1.0 - scores, positive) + masked_mean(ops.relu(scores - self.margin), negative)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}
