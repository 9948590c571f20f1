import keras

from kerasfusion.losses.info_nce import InfoNCELoss


@keras.saving.register_keras_serializable("kerasfusion")
class SampledSoftmaxLoss(InfoNCELoss):
    """Softmax over a positive and sampled negatives, with rows as anchors: one direction of `InfoNCELoss`.

        l_i = mean over p in P of  −log( exp(s_ip) / (exp(s_ip) + Σ_{q in Q} exp(s_iq)) )

    Where negatives are drawn with unequal probabilities, subtract the logarithm of its probability from each score
    (Yi et al., RecSys 2019): the positives of other rows of a batch are drawn by their popularity.

    Call arguments:
        y_true: `(N, M)`: 1 positive, 0 negative, -1 ignored.
        y_pred: float `(N, M)`, scores.

    Returns:
        float32 scalar: the mean over the rows, ignoring rows without a positive.

    Example:

    ```python
    scores = keras.ops.array([[2.0, 0.5, 0.0], [0.1, 1.0, 3.0]])
    loss = kf.losses.SampledSoftmaxLoss()(keras.ops.array([[1, 0, 0], [0, 1, -1]]), scores)
    ```
    """

    def of_pairs(self, scores, positive, negative):
        return self.of_rows(scores, positive, negative)
