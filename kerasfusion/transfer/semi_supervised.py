"""Semi-supervised learning: pseudo-labels, and active learning."""

import dataclasses
import math

import numpy as np
import pandas as pd
from scipy.special import entr

from kerasfusion.evaluation.predict import decode_predictions, postprocess, predict_classes, predict_logits
from kerasfusion.models import get_heads

# Uncertainty measures of active learning.
STRATEGIES = ("margin", "entropy")


def pseudo_labels(model, examples, threshold=0.95, fraction=None):
    """Label rows with the model's own confident predictions, to train on them as well (Lee, 2013).

    A model trained on few rows is overconfident: calibrate it first with `kf.evaluation.calibrate`, on labeled rows
    that it was not trained on.

    Args:
        model: A trained plain model.
        examples: `Examples` without labels, as from `kf.data.load_rows(..., with_labels=False)`. Rows with a label (a
            weight above 0) keep it.
        threshold: float, minimum probability of the predicted class; for tags, of the least confident tag. Defaults
            to `0.95`.
        fraction: float, label this fraction of the rows of each predicted class instead, most confident first
            (arXiv:1810.07911), so that rare classes get labels too. For tags, the fraction of all rows. Defaults to
            `None`.

    Returns:
        tuple: `Examples` of the rows that now have a label (combine them with `kf.data.concatenate`), and a
        pandas.DataFrame with a row per class: `task`, `class`, number of rows predicted (`decided`), number of rows
        labeled (`labelled`), their lowest `probability`, and the `temperature` of the head.

    Raises:
        ValueError: If a task has no probabilities or is not an output of the model, or if the threshold or fraction
            is not in (0, 1].

    Example:

    ```python
    rest, _ = kf.data.load_rows("unlabelled.csv", data.schema, with_labels=False)
    kf.evaluation.calibrate(model, data.splits["validation"])
    labelled, counts = kf.transfer.pseudo_labels(model, rest, threshold=0.9)
    train = kf.data.concatenate([data.splits["train"], labelled])
    ```
    """
    for name, value in (("threshold", threshold), ("fraction", fraction)):
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"pseudo_labels: {name} must be in (0, 1]. Received: {name}={value}")
    labels, weights, columns, counts = {}, {}, {}, []
    for task, probabilities in _probabilities("pseudo_labels", model, examples).items():
        decided = predict_classes(task, {"probabilities": probabilities})
        given = examples.weights.get(task.name, np.zeros(len(examples), "float32"))
        open_rows = given == 0
        sure = _confidence(task, probabilities)
        if fraction is None:
            own = open_rows & (sure >= threshold)
        else:
            answers = np.zeros(len(sure)) if task.any_classes else decided
            own = _most_confident(sure, np.where(open_rows, answers, -1), fraction)
        weights[task.name] = np.where(own, 1, given).astype("float32")
        known = examples.labels.get(task.name, np.zeros_like(decided))
        labels[task.name] = np.where(own.reshape(-1, *(1,) * (decided.ndim - 1)), decided, known)
        before = examples.frame.get(task.column, pd.Series(None, examples.frame.index, object)).astype(object)
        columns[task.column] = before.mask(own, decode_predictions(task, decided))
        says = decided > 0 if task.any_classes else decided[:, None] == np.arange(len(task.classes))
        for place, name in enumerate(task.classes):
            found = own & says[:, place]
            line = {"task": task.name, "class": name, "decided": int((open_rows & says[:, place]).sum())}
            line |= {"labelled": int(found.sum()), "probability": float(sure[found].min()) if found.any() else None}
            counts.append({**line, "temperature": get_heads(model)[task.name].temperature})
    frame = examples.frame.copy(deep=False)
    for column, values in columns.items():
        frame[column] = values
    labelled = dataclasses.replace(examples, frame=frame, labels=labels, weights=weights)
    rows = np.flatnonzero(np.any([weight > 0 for weight in weights.values()], axis=0))
    return labelled.take(rows), pd.DataFrame(counts)


def select_for_labeling(model, examples, count, strategy="margin"):
    """Select the rows that the model is least certain about, to label next (uncertainty sampling; Settles, 2009).

    Uncertainties of several tasks and tags are summed.

    Args:
        model: A trained plain model.
        examples: `Examples`. Labels are ignored.
        count: int, number of rows.
        strategy: `"margin"`, the smallest difference between the two largest probabilities, or `"entropy"`, the
            largest entropy. Defaults to `"margin"`.

    Returns:
        int64 array `(count,)`, row indices, least certain first.

    Raises:
        ValueError: a task that has no probabilities or that the model does not know, fewer rows than that, or an
            unknown strategy.

    Example:

    ```python
    rest, _ = kf.data.load_rows("unlabelled.csv", data.schema, with_labels=False)
    rows = kf.transfer.select_for_labeling(model, rest, 50)
    rest.frame.iloc[rows].to_csv("label_these.csv")
    ```
    """
    if strategy not in STRATEGIES:
        raise ValueError(
            f"select_for_labeling: strategy must be one of {', '.join(STRATEGIES)}. Received: strategy={strategy!r}"
        )
    if not 1 <= count <= len(examples):
        raise ValueError(f"select_for_labeling: count must be from 1 to {len(examples):,}. Received: count={count}")
    doubts = np.zeros(len(examples))
    for task, probabilities in _probabilities("select_for_labeling", model, examples).items():
        # Each tag is a binary choice.
        choices = np.stack([probabilities, 1 - probabilities], -1) if task.any_classes else probabilities
        if strategy == "entropy":
            doubt = entr(choices).sum(axis=-1)
        else:
            likeliest = np.sort(choices, axis=-1)
            doubt = 1 - (likeliest[..., -1] - likeliest[..., -2])
        doubts += doubt.reshape(len(examples), -1).sum(axis=1)
    return np.argsort(-doubts, kind="stable")[:count]


def _probabilities(what, model, examples):
    """Dict of task -> probabilities, float64 `(n, C)`; `(n, 2)` for a binary task."""
    for task in examples.schema.tasks:
        if not task.has_probabilities:
            raise ValueError(f"{what}: task {task.name!r} of type {task.type} has no probabilities; leave it out.")
        if task.name not in model.output:
            raise ValueError(
                f"{what}: {task.name!r} is not among the outputs of {model.name}: {', '.join(model.output)}."
            )
    found = postprocess(model, predict_logits(model, examples))
    return {task: found[task.name]["probabilities"].astype("float64") for task in examples.schema.tasks}


def _confidence(task, probabilities):
    """Probability of the predicted class; for tags, of the least confident tag."""
    if task.any_classes:
        return np.maximum(probabilities, 1 - probabilities).min(axis=1)
    return probabilities.max(axis=1)


def _most_confident(sure, groups, fraction):
    """Select the most confident fraction of each group, rounded up. Group -1 is ignored."""
    chosen = np.zeros(len(sure), bool)
    for group in np.unique(groups[groups >= 0]):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.argsort(-sure[rows], kind="stable")]
        chosen[rows[: math.ceil(fraction * len(rows))]] = True
    return chosen
