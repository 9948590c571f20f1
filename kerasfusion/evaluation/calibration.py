"""How far a model's probabilities can be believed, and the temperature that mends them (arXiv 1706.04599)."""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from kerasfusion.evaluation.predict import predict_logits
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.models import get_heads

BINS = 15
# No temperature above this, nor below one divided by it.
LARGEST = 20.0


def calibrate(model, examples):
    """Fit the temperature of each of a model's heads, on rows that it was not trained on, and set it.

    From then on everything that asks the heads for probabilities (`predict`, `evaluate`, an export) gets calibrated
    ones. Logits, losses and decisions stay as they are. Tasks without classes, as a number, have no probabilities
    and are left alone.

    Args:
        model: A trained plain model. Save it afterwards: the temperature is part of its head.
        examples: The validation split's `Examples`, with labels.

    Returns:
        dict: task -> temperature. Above 1 the model was too sure of itself, below 1 not sure enough.

    Example:

    ```python
    kf.evaluation.calibrate(model, data.splits["validation"])  # {"label": 1.8}
    model.save("model.keras")
    ```
    """
    tasks = [task for task in examples.schema.tasks if task.has_probabilities]
    if not tasks:
        return {}
    logits, heads, found = predict_logits(model, examples), get_heads(model), {}
    for task in tasks:
        weights = examples.weights[task.name]
        labelled = weights > 0
        labels = examples.labels[task.name][labelled]
        found[task.name] = fit_temperature(task, labels, logits[task.name][labelled], weights[labelled])
        heads[task.name].temperature = found[task.name]
    return found


def fit_temperature(task, labels, logits, weights=None):
    """The temperature with the least negative log-likelihood on these rows.

    Few rows, rows of one class or rows that are all answered right do not determine it: alone they would call for
    answers without any doubt. So the likelihood is joined by a weak prior (a log-normal one around 1 with deviation
    1, which weighs as much as a row or so and is lost among hundreds), and the result lies in 1/20 … 20.

    Args:
        task: A `Task` with classes.
        labels: `(n,)`, of tags `(n, C)`.
        logits: float32 `(n, C)`, as the model gives them.
        weights: float32 `(n,)`; None, each row alike.

    Returns:
        float: 1.0 where there are no rows.
    """
    weights = np.ones(len(labels)) if weights is None else weights

    def cost(log_temperature):
        losses = _row_losses(task, labels, logits / math.exp(log_temperature))
        return weights @ losses + log_temperature**2 / 2

    # In the inverse temperature the loss is convex, so there is one minimum to find.
    bound = math.log(LARGEST)
    return math.exp(minimize_scalar(cost, bounds=(-bound, bound), method="bounded").x) if len(labels) else 1.0


def calibration_scores(task, labels, logits):
    """How well probabilities agree with what is right: ECE, Brier score, log-likelihood, and the bins.

    The expected calibration error compares, within 15 bins of equal width, the mean confidence in the answer with
    the share of answers that are right: `Σ_b n_b / n |right_b - confidence_b|`. For tags every tag of every row is
    an answer of its own, yes or no.

    Args:
        task: A `Task` with classes.
        labels: `(n,)`, of tags `(n, C)`.
        logits: `(n, C)`, divided by the temperature where there is one.

    Returns:
        dict of JSON values: `ece`; `brier`, the mean of `Σ_c (p_c - y_c)²` over rows (0 to 2), for binary and tags
        of `(p - y)²` (0 to 1); `nll`, the mean negative log-likelihood in nats; `bins`, 15 dicts with `count` and,
        where that is not 0, mean `confidence` and `accuracy`.
    """
    logits = np.asarray(logits, "float64")
    brier, confidence, right = TASKS[task.type].reliability(labels, logits)
    bins = _bins(confidence, right)
    gaps = [part["count"] * abs(part["accuracy"] - part["confidence"]) for part in bins if part["count"]]
    return {
        "ece": float(sum(gaps) / len(confidence)),
        "brier": float(brier.mean()),
        "nll": float(_row_losses(task, labels, logits).mean()),
        "bins": bins,
    }


def before_and_after(task, labels, logits, temperature):
    """What a temperature does for these rows.

    Args:
        task: A `Task` with classes.
        labels: Their labels.
        logits: float32 `(n, C)`, as the model gives them.
        temperature: The head's.

    Returns:
        dict: `temperature`, number of `rows`, and `before` and `after` as from `calibration_scores`.
    """
    return {
        "temperature": temperature,
        "rows": len(labels),
        "before": calibration_scores(task, labels, logits),
        "after": calibration_scores(task, labels, logits / temperature),
    }


def _row_losses(task, labels, logits):
    """The negative log-likelihood of each row, in nats; of tags, the mean over them."""
    return TASKS[task.type].row_losses(labels, np.asarray(logits, "float64"))


def _bins(confidence, right):
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts, sums, hits = (np.bincount(place, weights=w, minlength=BINS) for w in (None, confidence, right))
    return [
        {"count": int(n), "confidence": float(total / n), "accuracy": float(hit / n)} if n else {"count": 0}
        for n, total, hit in zip(counts, sums, hits, strict=True)
    ]
