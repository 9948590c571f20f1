"""Answers without a network: what the labels, the text or the image alone give away."""

import numpy as np
import pandas as pd

from kerasfusion.evaluation.tasks import TASKS


def majority(task, train_labels, count):
    """The same answer for every row: the most frequent class, the usual tags, or the mean."""
    return np.repeat(_best(task, train_labels)[None], count, axis=0)


def by_key(task, train_keys, train_labels, keys):
    """The best answer for each key seen in training (the same question), the majority's for all others.

    Args:
        task: A `Task`.
        train_keys: Hashable keys `(n,)` of the training rows.
        train_labels: Their labels.
        keys: Keys of the rows to answer.

    Returns:
        Decisions in the form of the labels.
    """
    table = _table(task, train_keys, train_labels)
    other = _best(task, train_labels)
    return np.stack([table.get(key, other) for key in keys])


def ceiling_by_key(task, keys, labels):
    """The best single answer per key, chosen with the labels in hand: no model that sees the key alone does better.

    For images that no training row shows, this bounds what the image can give away without the text.
    """
    table = _table(task, keys, labels)
    return np.stack([table[key] for key in keys])


def _table(task, keys, labels):
    rows = pd.Series(range(len(keys))).groupby(pd.Series(list(keys), dtype=object), sort=False)
    return {key: _best(task, labels[positions.to_numpy()]) for key, positions in rows}


def _best(task, labels):
    """The answer with the best score on these labels."""
    return TASKS[task.type].best_constant(labels)
