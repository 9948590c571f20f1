"""Cross-view retrieval: a metric for joint spaces, and model selection by it."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils import check_random_state

from kerasfusion.factorization.views import read_views


def recall_at_k(queries, items, k=1):
    """Compute the share of queries whose matching item is among the `k` nearest by cosine similarity.

    Args:
        queries: float `(n, d)`.
        items: float `(n, d)`. Row i matches query i.
        k: int, number of nearest items. Defaults to `1`.

    Returns:
        float from 0 to 1. Ties count against the query.

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
    """Compute the mean `recall_at_k` over all ordered pairs of views, on items that have both.

    Args:
        model: A fitted `JointMatrixFactorization`, `ConcatenatedPCA` or `RidgeCCA`.
        X: Two or more views, as in `fit`.
        present: As in `fit`. Defaults to `None`.
        k: int, number of nearest items. Defaults to `1`.

    Returns:
        float from 0 to 1.

    Raises:
        ValueError: If there is only one view, or no item has two.

    Example:

    ```python
    cross_view_recall(model, {"text": text, "image": image}, k=5)
    ```
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
        raise ValueError(
            f"Recall needs items with two views. Received: views {list(views)}, no item has two of them."
        )
    return float(np.mean(recalls))


def grid_search(model, X, grid, validation_fraction=0.25, random_state=None):
    """Choose parameters by the cross-view recall of held-out items.

    The reconstruction error is not a useful criterion: it decreases with every factor, including those that belong to
    a single view.

    Args:
        model: `JointMatrixFactorization`, `ConcatenatedPCA` or `RidgeCCA`. It is cloned.
        X: Views, as in `fit`. Missing views are rows of NaN.
        grid: Dict of parameter name -> list of values.
        validation_fraction: float, fraction of the items to hold out. Defaults to `0.25`.
        random_state: Seed of the split. Defaults to `None`.

    Returns:
        tuple: the best model, fitted on all items, and a list of dicts with the parameters and `recall` of each
            trial.

    Example:

    ```python
    grid = {"n_components": [8, 16], "n_private_components": [0, 4]}
    best, trials = grid_search(JointMatrixFactorization(), {"text": text, "image": image}, grid)
    ```
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
