import keras
from keras import ops

from kerasfusion.losses.pairs import SymmetricPairLoss
from kerasfusion.masking import masked_mean

# Stands for a logit that is not there; the sum of a million of its exponentials is still 0 in float32.
ABSENT = -1e9


@keras.saving.register_keras_serializable("kerasfusion")
class InfoNCELoss(SymmetricPairLoss):
    """Symmetric InfoNCE loss: each image has to identify its text among all texts of the batch, and vice versa.

    With scores s, and for an anchor i its positives P and its negatives Q:

        l_i = mean over p in P of  −log( exp(s_ip) / (exp(s_ip) + Σ_{q in Q} exp(s_iq)) )

    With one positive each this is the loss of CLIP (arXiv 2103.00020, after 1807.03748). With several, the other
    positives are omitted from the denominator, so captions of one image do not repel one another.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, cosine similarities divided by the temperature.

    Returns:
        float32 scalar: the mean over anchors in both directions, ignoring anchors without a positive.

    Example:

    ```python
    images, texts = (keras.ops.normalize(keras.random.normal((4, 8)), axis=-1) for _ in range(2))
    loss = kf.losses.InfoNCELoss()(keras.ops.eye(4), keras.ops.matmul(images, keras.ops.transpose(texts)) / 0.07)
    ```
    """

    def of_rows(self, scores, positive, negative):
        against = ops.logsumexp(ops.where(negative, scores, ABSENT), axis=1, keepdims=True)
        # −log(e^s / (e^s + e^a)) = softplus(a − s)
        losses = ops.where(positive, ops.softplus(against - scores), 0.0)
        count = ops.sum(ops.cast(positive, "float32"), axis=1)
        return masked_mean(ops.sum(losses, axis=1) / ops.maximum(count, 1.0), count > 0)
