import keras
from keras import ops

from kerasfusion.losses.pairs import PairLoss
from kerasfusion.masking import masked_mean


@keras.saving.register_keras_serializable("kerasfusion")
class MarginContrastiveLoss(PairLoss):
    """Contrastive loss with a margin on cosines (Hadsell, Chopra and LeCun, CVPR 2006).

        mean over positives of (1 − s)  +  mean over negatives of max(0, s − margin)

    Positives and negatives are averaged separately, since a batch of N pairs has N − 1 times as many negatives.

    Args:
        margin: float in [-1, 1), cosine below which a negative pair has no loss. Defaults to 0.2.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, cosine similarities.

    Returns:
        float32 scalar.

    Raises:
        ValueError: if the margin is not in [-1, 1).

    Example:

    ```python
    images, texts = (keras.ops.normalize(keras.random.normal((4, 8)), axis=-1) for _ in range(2))
    cosines = keras.ops.matmul(images, keras.ops.transpose(texts))
    loss = kf.losses.MarginContrastiveLoss(0.2)(keras.ops.eye(4), cosines)
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
