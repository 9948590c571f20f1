import keras
from keras import ops

from kerasfusion.losses.pairs import SymmetricPairLoss
from kerasfusion.masking import masked_mean

# Stands for a logit that is not there; the sum of a million of its exponentials is still 0 in float32.
ABSENT = -1e9


@keras.saving.register_keras_serializable("kerasfusion")
class InfoNCELoss(SymmetricPairLoss):
    """Symmetric InfoNCELoss: each image has to find its text among all texts of the batch, and the reverse.

    With scores s and, for an anchor i, its positives P and its negatives Q:

        l_i = mean over p in P of  −log( exp(s_ip) / (exp(s_ip) + Σ_{q in Q} exp(s_iq)) )

    With one positive each this is the loss of CLIP (arXiv 2103.00020, after 1807.03748). With several, another
    positive is left out of the sum below: captions of one image do not push one another away.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 neither.
        y_pred: float `(N, M)`: cosine similarities divided by the temperature.

    Returns:
        float32 scalar: the mean over anchors in both directions. Anchors without a positive do not count.

    Example:

    ```python
    images, texts = (keras.ops.normalize(x, axis=-1) for x in (images, texts))  # (N, d), (N, d)
    loss = kf.losses.InfoNCELoss()(keras.ops.eye(len(images)), images @ texts.T / 0.07)
    ```
    """

    def of_rows(self, scores, positive, negative):
        against = ops.logsumexp(ops.where(negative, scores, ABSENT), axis=1, keepdims=True)
        # −log(e^s / (e^s + e^a)) = softplus(a − s)
        losses = ops.where(positive, ops.softplus(against - scores), 0.0)
        count = ops.sum(ops.cast(positive, "float32"), axis=1)
        return masked_mean(ops.sum(losses, axis=1) / ops.maximum(count, 1.0), count > 0)
