"""Numbers and vectors of them."""

import numpy as np
from sklearn import metrics

from kerasfusion.evaluation.tasks.base import TaskEvaluation

MOST_POINTS = 500


class RegressionEvaluation(TaskEvaluation):
    """Mean absolute error. "Wrong" rows are all rows, the largest errors first; "right" ones the same from below."""

    def decide(self, prediction):
        return prediction["value"]

    def decode(self, task, decided):
        return decided

    def row_terms(self, labels, decided):
        return "mae", np.abs(labels - decided), np.ones(len(labels))

    def best_constant(self, labels):
        return np.median(labels).astype("float32")  # the least absolute error

    def further_scores(self, labels, decided, prediction):
        return {
            "rmse": float(np.sqrt(metrics.mean_squared_error(labels, decided))),
            "r2": float(metrics.r2_score(labels, decided)) if len(labels) > 1 else float("nan"),
        }

    def details(self, found):
        chosen = np.linspace(0, len(found.rows) - 1, min(MOST_POINTS, len(found.rows))).astype(int)
        return {"points": np.stack([found.labels, found.decided], axis=1)[chosen].astype(float).tolist()}

    def ranked(self, found):
        order = np.argsort(-np.abs(found.decided - found.labels), kind="stable")
        return order, order[::-1]

    def example(self, found, place, answer, label):
        return {"answer": float(answer), "label": float(label), "error": float(answer - label)}


class EmbeddingEvaluation(RegressionEvaluation):
    """A column for each dimension."""

    def columns(self, task, prediction, decided, examples, name):
        return dict(zip(task.classes, prediction["value"].T, strict=True))
