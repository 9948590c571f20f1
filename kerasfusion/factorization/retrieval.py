"""Cross-view retrieval as a metric of a joint space, and model selection by it."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils import check_random_state

from kerasfusion.factorization.views import read_views


def recall_at_k(queries, items, k=1):
    """Share of queries whose own item is among the nearest by cosine.

    Args:
        queries: float `(n, k)`.
        items: float `(n, k)`; row i belongs to query i.
        k: How many of the nearest count.

    Returns:
        A share from 0 to 1. Of items that are equally near, one's own is counted behind the others.

    Example:

    ```python
    recall_at_k(model.transform({"text": text}), model.transform({"image": image}), k=10)
    ```
    """
    queries, items = (
        part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (queries, items)
    )
    found = 0
    for start in range(0, len(queries), 1024):
        near = queries[start : start + 1024] @ items.T
        own = near[np.arange(len(near)), np.arange(start, start + len(near))]
        found += ((near >= own[:, None]).sum(axis=1) <= k).sum()
    return float(found / len(queries))


def cross_view_recall(model, X, present=None, k=1):
    """Mean of `recall_at_k` over all ordered pairs of views, by the items that have both.

    Args:
        model: `JointMatrixFactorization` or a baseline, fitted.
        X: Two views or more, as in `fit`.
        present: As in `fit`.
        k: How many of the nearest count.

    Raises:
        ValueError: There is one view, or no item has two.
    """
    views = read_views(X, np.float64, present)
    recalls = []
    for first in views:
        for second in views:
            both = views[first][1] & views[second][1]
            if first != second and both.any():
                spaces = [model.transform({name: views[name][0][both]}) for name in (first, second)]
                recalls.append(recall_at_k(*spaces, k))
    if not recalls:
        raise ValueError(f"recall is between two views of an item; got {list(views)}, and no item has two of them.")
    return float(np.mean(recalls))


def grid_search(model, X, grid, validation_fraction=0.25, random_state=None):
    """Fit a joint model with the settings whose held-out items find their other views most often.

    The reconstruction error is no guide: it falls with every factor, also with those of one view alone.

    Args:
        model: `JointMatrixFactorization` or a baseline; it is cloned.
        X: The views, as in `fit`; items that lack some are NaN rows.
        grid: dict of setting -> values to try, for example `{"n_components": [8, 16], "whiten": [0.01, 0.1]}`.
        validation_fraction: Fraction of the items to hold out.
        random_state: Seed of what is held out.

    Returns:
        `(model, trials)`: the best model, fitted to all items, and a list of dicts with the settings and `recall`.

    Example:

    ```python
    best, trials = grid_search(JointMatrixFactorization(), views, {"n_components": [8, 16], "n_private_components":
    [0, 4]}) ```
    """
    matrices = {name: matrix for name, (matrix, _) in read_views(X, np.float64).items()}
    count = len(next(iter(matrices.values())))
    order = check_random_state(random_state).permutation(count)
    held, rest = np.split(order, [max(1, round(validation_fraction * count))])
    trials = []
    for settings in ParameterGrid(grid):
        trial = clone(model).set_params(**settings).fit({name: matrix[rest] for name, matrix in matrices.items()})
        recall = cross_view_recall(trial, {name: matrix[held] for name, matrix in matrices.items()})
        trials.append({**settings, "recall": recall})
    best = max(trials, key=lambda trial: trial["recall"])
    settings = {name: value for name, value in best.items() if name != "recall"}
    return clone(model).set_params(**settings).fit(matrices), trials
