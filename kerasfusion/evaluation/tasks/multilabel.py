"""Any number of classes: tags."""

import numpy as np
from sklearn import metrics

from kerasfusion.evaluation.tasks.base import ClassEvaluation, class_figures
from kerasfusion.evaluation.tasks.one_class import sigmoid_losses, sigmoid_reliability


class MultilabelEvaluation(ClassEvaluation):
    """Micro F1; decides for every tag above one half.

    The confidence of a row is that in the wrong tag it was surest of, and of a right row that in its least sure tag.
    """

    def decide(self, prediction):
        return (prediction["probabilities"] > 0.5).astype("float32")

    def decode(self, task, decided):
        classes = np.array(task.classes, object)
        return np.array(["|".join(classes[row > 0]) for row in decided], object)

    def row_terms(self, labels, decided):
        hits = (labels * decided).sum(axis=1)
        return "f1_micro", 2 * hits, labels.sum(axis=1) + decided.sum(axis=1)

    def best_constant(self, labels):
        return (labels.mean(axis=0) > 0.5).astype("float32")

    def further_scores(self, labels, decided, prediction):
        return {
            f"f1_{average}": float(metrics.f1_score(labels, decided, average=average, zero_division=0))
            for average in ("macro", "samples", "weighted")
        }

    def row_losses(self, labels, logits):
        return sigmoid_losses(labels, logits)

    def reliability(self, labels, logits):
        return sigmoid_reliability(labels, logits)

    def details(self, found):
        figures = metrics.precision_recall_fscore_support(
            found.labels.astype(int), found.decided.astype(int), average=None, zero_division=0
        )
        return {"classes": class_figures(found.task, found.decided.sum(axis=0), figures)}

    def is_right(self, found):
        return (found.decided == found.labels).all(axis=1)

    def confidence(self, found):
        probabilities = found.prediction["probabilities"]
        sure = np.maximum(probabilities, 1 - probabilities)
        return sure[np.arange(len(sure)), _deciding_tag(found)]

    def example(self, found, place, answer, label):
        tag = found.task.classes[int(_deciding_tag(found)[place])]
        return super().example(found, place, answer, label) | {"tag": tag}


def _deciding_tag(found):
    """The wrong tag that the model was surest of; of a row without one, the tag that it was least sure of."""
    probabilities = found.prediction["probabilities"]
    sure = np.maximum(probabilities, 1 - probabilities)
    wrong = found.decided != found.labels
    return np.where(wrong.any(axis=1), np.where(wrong, sure, -1).argmax(axis=1), sure.argmin(axis=1))
