import keras
from keras import ops

from kerasfusion.losses.pairs import SymmetricPairLoss
from kerasfusion.masking import masked_mean

MINING = ("all", "semi_hard", "hard")

# Beyond every cosine.
FAR = 1e9


@keras.saving.register_keras_serializable("kerasfusion")
class TripletLoss(SymmetricPairLoss):
    """Triplet loss on similarities: a positive has to be more similar than a negative by a margin.

        max(0, margin − s_ip + s_iq)  for an anchor i, its positive p and its negative q

    Args:
        margin: float, the margin, in units of the similarity. Defaults to 0.2.
        mining: str, selection of the negatives. `"all"` averages over all of them. `"hard"` takes, for each (i, p),
            the negative with the highest similarity (VSE++, arXiv 1707.05612). `"semi_hard"` takes the most similar
            of those less similar than the positive, or the least similar if there is none (FaceNet, arXiv
            1503.03832), which avoids the collapse at the start of training that hard negatives can cause. Defaults to
            `"hard"`.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, cosine similarities without a temperature.

    Returns:
        float32 scalar: the mean over both directions, rows and columns as anchors. `"all"` and `"semi_hard"` form an
        array of `N · M · max(N, M)`.

    Raises:
        ValueError: for an unknown `mining`, or a margin that is not positive.

    Example:

    ```python
    images, texts = (keras.ops.normalize(keras.random.normal((4, 8)), axis=-1) for _ in range(2))
    cosines = keras.ops.matmul(images, keras.ops.transpose(texts))
    loss = kf.losses.TripletLoss(0.2, mining="hard")(keras.ops.eye(4), cosines)
    ```
    """

    def __init__(self, margin=0.2, mining="hard", **kwargs):
        super().__init__(**kwargs)
        if mining not in MINING:
            raise ValueError(f"TripletLoss: mining must be one of {', '.join(MINING)}, not {mining!r}.")
        if not margin > 0:
            raise ValueError(f"TripletLoss: margin must be positive, not {margin}.")
        self.margin = margin
        self.mining = mining

    def of_rows(self, scores, positive, negative):
        # Pairs (i, p) with a negative to stand against.
        pairs = ops.logical_and(positive, ops.any(negative, axis=1, keepdims=True))
        if self.mining == "hard":
            hardest = ops.max(ops.where(negative, scores, -FAR), axis=1, keepdims=True)
            return masked_mean(self._hinge(scores, hardest), pairs)
        near, far = scores[:, :, None], scores[:, None, :]  # (N, p, 1), (N, 1, q)
        if self.mining == "all":
            triplets = ops.logical_and(positive[:, :, None], negative[:, None, :])
            return masked_mean(self._hinge(near, far), triplets)
        below = ops.logical_and(negative[:, None, :], far < near)
        chosen = ops.max(ops.where(below, far, -FAR), axis=2)  # (N, p)
        lowest = ops.min(ops.where(negative, scores, FAR), axis=1, keepdims=True)
        return masked_mean(self._hinge(scores, ops.where(ops.any(below, axis=2), chosen, lowest)), pairs)

    def _hinge(self, near, far):
        return ops.relu(self.margin - near + far)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "mining": self.mining}
