"""Base classes of losses on the similarity matrix of a batch of pairs."""

import keras
from keras import ops


class PairLoss(keras.losses.Loss):
    """Base class of losses on all pairs of a batch.

    Call arguments:
        y_true: `(N, M)`, the relation of i and j: 1 positive, 0 negative, -1 ignored (padding). Two captions of one
            image are both positives of it, so neither is ever a negative.
        y_pred: `(N, M)`, the scores of the pairs.

    Returns:
        float32 scalar.
    """

    def call(self, y_true, y_pred):
        y_true = ops.convert_to_tensor(y_true)
        scores = ops.cast(y_pred, "float32")
        return self.of_pairs(scores, ops.equal(y_true, 1), ops.equal(y_true, 0))

    def of_pairs(self, scores, positive, negative):
        """Compute the loss of float32 scores `(N, M)` with bool masks of the same shape."""
        raise NotImplementedError


class SymmetricPairLoss(PairLoss):
    """Base class of pair losses that are averaged over both directions, rows and columns as anchors."""

    def of_pairs(self, scores, positive, negative):
        across = self.of_rows(scores, positive, negative)
        down = self.of_rows(*(ops.transpose(matrix) for matrix in (scores, positive, negative)))
        return (across + down) / 2

    def of_rows(self, scores, positive, negative):
        """Compute the loss with rows as anchors."""
        raise NotImplementedError
