"""One class of several: `multiclass` and `binary`."""

import numpy as np
from scipy.special import expit, log_softmax
from sklearn import metrics

from kerasfusion.evaluation.tasks.base import ClassEvaluation, class_figures

# A matrix of more classes cannot be read; its largest cells beside the diagonal can.
MOST_MATRIX_CLASSES = 25
MOST_PAIRS = 20


class MulticlassEvaluation(ClassEvaluation):
    """Accuracy; decides for the likeliest class."""

    dtype = "int32"

    def decide(self, prediction):
        return prediction["probabilities"].argmax(axis=1).astype(self.dtype)

    def decode(self, task, decided):
        return np.array(task.classes, object)[decided.astype(int)]

    def best_constant(self, labels):
        values, counts = np.unique(labels, return_counts=True)
        return values[counts.argmax()]

    def further_scores(self, labels, decided, prediction):
        # scikit-learn's own balanced accuracy warns where a class is decided for that no label has.
        balanced = np.mean([(decided[labels == c] == c).mean() for c in np.unique(labels)])
        macro = metrics.f1_score(labels, decided, average="macro", zero_division=0)
        return {"f1_macro": float(macro), "balanced_accuracy": float(balanced)}

    def slices(self, task, labels):
        return np.array(task.classes, object)[labels.astype(int)]

    def columns(self, task, prediction, decided, examples, name):
        decided = self.decide(prediction) if decided is None else decided
        probability = np.take_along_axis(prediction["probabilities"], decided.astype(int)[:, None], axis=1)
        further = {name(f"{task.title}_probability"): probability[:, 0]}
        return super().columns(task, prediction, decided, examples, name) | further

    def row_losses(self, labels, logits):
        return -np.take_along_axis(log_softmax(logits, axis=1), labels[:, None], axis=1)[:, 0]

    def reliability(self, labels, logits):
        return class_reliability(labels, np.exp(log_softmax(logits, axis=1)))

    def details(self, found):
        task, labels, decided = found.task, found.labels.astype(int), found.decided.astype(int)
        places = np.arange(len(task.classes))
        figures = metrics.precision_recall_fscore_support(
            labels, decided, average=None, zero_division=0, labels=places
        )
        classes = class_figures(task, np.bincount(decided, minlength=len(places)), figures)
        answers = np.stack([labels, decided], axis=1)
        # Pairs that occur, not a matrix of all: thousands of classes would fill the memory.
        pairs, counts = np.unique(answers[labels != decided], axis=0, return_counts=True)
        largest = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
        named = [[task.classes[pairs[i, 0]], task.classes[pairs[i, 1]], int(counts[i])] for i in largest]
        detail = {"classes": classes, "pairs": named}
        if len(places) <= MOST_MATRIX_CLASSES:
            detail["matrix"] = metrics.confusion_matrix(labels, decided, labels=places).tolist()
        return detail


class BinaryEvaluation(MulticlassEvaluation):
    """Accuracy; the area under the ROC curve beside it."""

    dtype = "float32"

    def further_scores(self, labels, decided, prediction):
        found = super().further_scores(labels, decided, prediction)
        if len(np.unique(labels)) == 2:
            found["auroc"] = float(metrics.roc_auc_score(labels, prediction["probabilities"][:, 1]))
        return found

    def row_losses(self, labels, logits):
        return sigmoid_losses(labels, logits)

    def reliability(self, labels, logits):
        return sigmoid_reliability(labels, logits)


def class_reliability(labels, probabilities):
    """Brier score over all classes, confidence in the likeliest class and whether it is right."""
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    brier = (probabilities**2).sum(axis=1) - 2 * own + 1
    return brier, probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def sigmoid_losses(labels, logits):
    """The mean binary cross-entropy of each row's logits."""
    labels = labels.reshape(logits.shape)
    return np.logaddexp(0.0, (1 - 2 * labels) * logits).mean(axis=1)


def sigmoid_reliability(labels, logits):
    """Brier score, confidence and correctness of every yes or no."""
    yes, answers = expit(logits).ravel(), labels.ravel()
    return (yes - answers) ** 2, np.maximum(yes, 1 - yes), (yes > 0.5) == answers
