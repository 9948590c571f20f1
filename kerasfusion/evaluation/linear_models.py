"""Linear models on fixed features: logistic regression for classes and tags, ridge regression for numbers."""

import dataclasses
import warnings

import numpy as np
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from kerasfusion.evaluation.tasks import TASKS

# Inverse regularization strengths, one of which the validation split chooses.
STRENGTHS = (1.0, 10.0, 100.0)
MOST_ITERATIONS = 100
# The logit of a class or tag that no training row has, and the negative of that of a tag that all have.
NEVER = -30.0


@dataclasses.dataclass(frozen=True, eq=False)
class LinearModel:
    """A fitted linear model of one task.

    Args:
        kernel: float32 `(d, outputs)`.
        bias: float32 `(outputs,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray

    def predict(self, task, vectors):
        """Predict as the task's head does.

        Args:
            task: The `Task`.
            vectors: float `(n, d)`, dense or sparse.

        Returns:
            dict: `"probabilities"`, float `(n, classes)`, or `"value"`, float `(n,)`.
        """
        logits = np.asarray(vectors @ self.kernel) + self.bias
        if task.is_number:
            return {"value": logits[:, 0]}
        if task.any_classes:
            return {"probabilities": expit(logits)}
        return {"probabilities": softmax(logits, axis=1)}


def fit_linear(task, vectors, train, validation):
    """Fit a linear model of a task; the validation split chooses the strength of its regularization.

    Args:
        task: A `Task`.
        vectors: float `(m, d)`, dense or sparse: the distinct features.
        train: int `(n,)`, the features of each training row, and its `Examples`.
        validation: The same of the validation rows.

    Returns:
        `LinearModel`; None where the task's labels are no classes, tags or numbers, or all alike.
    """
    places, labels, weights = _labelled(task, *train)
    checked_places, checked_labels, _ = _labelled(task, *validation)
    if not (task.one_class or task.any_classes or task.is_number) or len(np.unique(labels, axis=0)) < 2:
        return None
    if task.one_class:
        places, labels, weights = _merge(places, labels, weights)
    found = {}
    for strength in STRENGTHS:
        model = _fit(task, strength, vectors[places], labels, weights)
        decided = TASKS[task.type].decide(model.predict(task, vectors[checked_places]))
        name, top, bottom = TASKS[task.type].row_terms(checked_labels, decided)
        score = top.sum() / max(bottom.sum(), 1)
        # Of equal scores, the stronger regularization.
        found[-score if name == "mae" else score, -strength] = model
    return found[max(found)]


def _labelled(task, places, examples):
    """Features, labels and weights of the rows that have a label."""
    rows = np.flatnonzero(examples.weights[task.name] > 0)
    return places[rows], examples.labels[task.name][rows], examples.weights[task.name][rows]


def _merge(places, labels, weights):
    """Rows with the same features and class as one row of their summed weight: the same objective, sooner."""
    pairs, rows = np.unique(np.stack([places, labels.astype(int)]), axis=1, return_inverse=True)
    return pairs[0], pairs[1].astype(labels.dtype), np.bincount(rows.ravel(), weights)


def _fit(task, strength, vectors, labels, weights):
    if task.is_number:
        ridge = Ridge(alpha=1 / strength).fit(vectors, labels, weights)
        return _model(ridge.coef_[None], ridge.intercept_)
    if task.any_classes:
        return _join([_binary(strength, vectors, tag, weights) for tag in labels.T])
    if task.class_count == 2:
        positive = _binary(strength, vectors, labels, weights)
        return _join([_model(np.zeros_like(positive.kernel.T), 0.0), positive])
    logistic = _logistic(strength, vectors, labels, weights)
    coefficients, intercept = logistic.coef_, logistic.intercept_
    if len(logistic.classes_) == 2:  # one logit for both
        coefficients, intercept = np.vstack([-coefficients, coefficients]) / 2, np.array([-1, 1]) * intercept / 2
    kernel = np.zeros((task.class_count, vectors.shape[1]), "float32")
    bias = np.full(task.class_count, NEVER, "float32")
    kernel[logistic.classes_.astype(int)], bias[logistic.classes_.astype(int)] = coefficients, intercept
    return _model(kernel, bias)


def _binary(strength, vectors, labels, weights):
    if len(np.unique(labels)) < 2:
        return _model(np.zeros((1, vectors.shape[1])), NEVER if labels[0] == 0 else -NEVER)
    logistic = _logistic(strength, vectors, labels, weights)
    return _model(logistic.coef_, logistic.intercept_)


def _logistic(strength, vectors, labels, weights):
    logistic = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS, tol=1e-3)
    with warnings.catch_warnings():
        # Stopped early is regularized as well, and the validation split judges it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return logistic.fit(vectors, labels, weights)


def _model(coefficients, intercept):
    bias = np.broadcast_to(np.asarray(intercept, "float32"), (len(coefficients),))
    return LinearModel(np.asarray(coefficients, "float32").T.copy(), bias.copy())


def _join(models):
    return LinearModel(
        np.concatenate([model.kernel for model in models], axis=1), np.concatenate([model.bias for model in models])
    )
