"""One of several ordered classes."""

import numpy as np
from scipy.special import expit
from sklearn import metrics

from kerasfusion.evaluation.tasks.one_class import MulticlassEvaluation, class_reliability

# Keeps the logarithm of a probability of 0 finite.
_TINY = 1e-30


class OrdinalEvaluation(MulticlassEvaluation):
    """Mean absolute error in classes of the median class; quadratic weighted kappa and accuracy beside it."""

    def decide(self, prediction):
        above = 1 - np.cumsum(prediction["probabilities"], axis=1)[:, :-1]
        return (above > 0.5).sum(axis=1).astype("int32")

    def row_terms(self, labels, decided):
        return "mae", np.abs(labels - decided).astype(float), np.ones(len(labels))

    def best_constant(self, labels):
        return np.sort(labels)[(len(labels) - 1) // 2]  # the lower median has the least absolute error

    def further_scores(self, labels, decided, prediction):
        found = {"accuracy": float((labels == decided).mean())}
        # Where labels and decisions are one class, there is no disagreement that chance could explain.
        if len(np.union1d(labels, decided)) > 1:
            kappa = metrics.cohen_kappa_score(labels, decided, weights="quadratic")
            found = {"quadratic_weighted_kappa": float(kappa), **found}
        return found

    def confidence(self, found):
        places = found.decided.astype(int)[:, None]
        return np.take_along_axis(found.prediction["probabilities"], places, axis=1)[:, 0]

    def row_losses(self, labels, logits):
        own = np.take_along_axis(_probabilities(logits), labels[:, None], axis=1)[:, 0]
        return -np.log(np.maximum(own, _TINY))

    def reliability(self, labels, logits):
        probabilities = _probabilities(logits)
        decided = self.decide({"probabilities": probabilities})
        brier, *_ = class_reliability(labels, probabilities)
        confidence = np.take_along_axis(probabilities, decided[:, None], axis=1)[:, 0]
        return brier, confidence, decided == labels


def _probabilities(logits):
    """Probability of each class, of logits of `P(y > k)`."""
    # Both tails as sigmoids: 1 - σ(l) would round the first to 0.
    above, below = expit(logits), expit(-logits)
    between = np.where(logits[:, :-1] > 0, below[:, 1:] - below[:, :-1], above[:, :-1] - above[:, 1:])
    return np.concatenate([below[:, :1], between, above[:, -1:]], axis=1)
