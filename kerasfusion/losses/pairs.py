"""What the losses of a shared space have in common: a matrix of scores, and what is known about each pair."""

import keras
from keras import ops


class PairLoss(keras.losses.Loss):
    """Base class of losses on all pairs of a batch.

    Call arguments:
        y_true: `(N, M)`, what is known about the pair (i, j): 1, they belong together; 0, they do not; -1, nothing
            (padding): the pair counts neither way. Two captions of one image both have a 1 with it, so that neither
            is ever a negative of the image.
        y_pred: `(N, M)`, the scores of the pairs.

    Returns:
        float32 scalar.
    """

    def call(self, y_true, y_pred):
        y_true = ops.convert_to_tensor(y_true)
        scores = ops.cast(y_pred, "float32")
        return self.of_pairs(scores, ops.equal(y_true, 1), ops.equal(y_true, 0))

    def of_pairs(self, scores, positive, negative):
        """The loss of float32 scores `(N, M)` with bool masks of the same shape."""
        raise NotImplementedError


class SymmetricPairLoss(PairLoss):
    """A pair loss that asks each row for its columns, then each column for its rows, and takes the mean."""

    def of_pairs(self, scores, positive, negative):
        across = self.of_rows(scores, positive, negative)
        down = self.of_rows(*(ops.transpose(matrix) for matrix in (scores, positive, negative)))
        return (across + down) / 2

    def of_rows(self, scores, positive, negative):
        """The same for rows as anchors alone."""
        raise NotImplementedError
