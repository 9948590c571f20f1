"""More out of few labels: rows that a model labels itself, and rows that it asks for."""

import dataclasses
import math

import numpy as np
import pandas as pd
from scipy.special import entr

from kerasfusion.evaluation.predict import decode_predictions, postprocess, predict_classes, predict_logits
from kerasfusion.models import get_heads

# Ways to say how far a model is from sure.
STRATEGIES = ("margin", "entropy")


def pseudo_labels(model, examples, threshold=0.95, fraction=None):
    """Label the rows that a model is sure about by what it says of them (Lee, 2013), to train on them as well.

    A network that has seen few rows is much too sure of itself: `kf.evaluation.calibrate` it first, on labelled rows
    that it was not trained on. Its temperature is then part of the probabilities that are looked at here.

    Args:
        model: A trained plain model.
        examples: `Examples` without labels, as from `kf.data.load_rows(..., with_labels=False)`. Rows that have a
            label (a weight above 0) keep it.
        threshold: Least probability of the answer; of tags, of the one that is least sure.
        fraction: Instead of the threshold, this fraction of the rows of each answer, the surest first (arXiv
            1810.07911), so that rare classes get labels too; of all rows where the labels are tags.

    Returns:
        tuple: `Examples`, the rows that now have a label (put beside the others by `kf.data.concatenate`), and a
        pandas.DataFrame with a row for each class: `task`, `class`, how many rows were `decided` for it, how many of
        these got that as their label (`labelled`), the lowest `probability` among these, and the `temperature`.

    Raises:
        ValueError: a task that has no probabilities or that the model does not know, or a threshold or fraction
            outside of 0..1.

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
            raise ValueError(f"pseudo_labels: {name} is above 0 and at most 1, not {value}.")
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
            own = _surest(sure, np.where(open_rows, answers, -1), fraction)
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
    """Rows that a model is least sure about: to be labelled next (uncertainty sampling; Settles, 2009).

    Of several tasks, and of several tags, the doubts are added up.

    Args:
        model: A trained plain model.
        examples: `Examples`, with or without labels; these are not looked at.
        count: How many rows.
        strategy: `"margin"`, how little likelier the answer is than the second likeliest; or `"entropy"`, how evenly
            the probabilities are spread over all classes.

    Returns:
        int64 array `(count,)`: places of rows, the least sure first.

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
        raise ValueError(f"select_for_labeling: strategy must be one of {', '.join(STRATEGIES)}, not {strategy!r}.")
    if not 1 <= count <= len(examples):
        raise ValueError(f"select_for_labeling: {count} rows of {len(examples):,} cannot be chosen.")
    doubts = np.zeros(len(examples))
    for task, probabilities in _probabilities("select_for_labeling", model, examples).items():
        # Of tags each is a choice of two.
        choices = np.stack([probabilities, 1 - probabilities], -1) if task.any_classes else probabilities
        if strategy == "entropy":
            doubt = entr(choices).sum(axis=-1)
        else:
            likeliest = np.sort(choices, axis=-1)
            doubt = 1 - (likeliest[..., -1] - likeliest[..., -2])
        doubts += doubt.reshape(len(examples), -1).sum(axis=1)
    return np.argsort(-doubts, kind="stable")[:count]


def _probabilities(what, model, examples):
    """Task -> float64 `(n, C)`, of two classes `(n, 2)`."""
    for task in examples.schema.tasks:
        if not task.has_probabilities:
            raise ValueError(f"{what}: {task.name!r} is of type {task.type} and has no probabilities; leave it out.")
        if task.name not in model.output:
            raise ValueError(f"{what}: {model.name} knows {', '.join(model.output)} and not {task.name!r}.")
    found = postprocess(model, predict_logits(model, examples))
    return {task: found[task.name]["probabilities"].astype("float64") for task in examples.schema.tasks}


def _confidence(task, probabilities):
    """The probability of the answer; of tags, that of the answer to the least sure of them."""
    if task.any_classes:
        return np.maximum(probabilities, 1 - probabilities).min(axis=1)
    return probabilities.max(axis=1)


def _surest(sure, groups, fraction):
    """Which rows are among this share of their group, rounded up, the surest first; none of group -1."""
    chosen = np.zeros(len(sure), bool)
    for group in np.unique(groups[groups >= 0]):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.argsort(-sure[rows], kind="stable")]
        chosen[rows[: math.ceil(fraction * len(rows))]] = True
    return chosen
