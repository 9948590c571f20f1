"""Closed-form solution of joint factorization without private factors and missing entries."""

import numpy as np

from kerasfusion.factorization.baselines import leading_directions


def solve_closed_form(blocks, n_components, regularization):
    """Soft-threshold the singular values of the concatenated views: they are reduced by `sqrt(λ1 λ2)`, down to 0.

    Args:
        blocks: Dict of view name -> dense `Block` without missing rows or entries.
        n_components: int, number of factors `k`.
        regularization: tuple `(λ1, λ2)` for factors and loadings.

    Returns:
        tuple: factors `(n, k)`, dict of view name -> loadings `(F, k)`, and the objective.
    """
    first, second = regularization
    roots = [np.sqrt(block.weight) for block in blocks.values()]
    X = np.hstack([root * block.matrix for root, block in zip(roots, blocks.values(), strict=True)])
    if X.shape[0] < X.shape[1]:
        left = leading_directions(X.T, n_components)
        values = np.linalg.norm(X.T @ left, axis=0)
        right = X.T @ left / np.where(values > 0, values, 1)
    else:
        right = leading_directions(X, n_components)
        values = np.linalg.norm(X @ right, axis=0)
        left = X @ right / np.where(values > 0, values, 1)
    kept = np.maximum(values - np.sqrt(first * second), 0)
    # The regularization determines how the scale of the product is split between factors and loadings.
    balance = (second / first) ** 0.25 if first > 0 and second > 0 else 1.0
    factors, right = left * np.sqrt(kept) * balance, right * np.sqrt(kept) / balance
    parts = np.split(right, np.cumsum([block.shape[1] for block in blocks.values()])[:-1])
    loadings = {name: part / root for name, part, root in zip(blocks, parts, roots, strict=True)}
    error = float(np.square(X).sum() - np.square(values).sum() + np.square(values - kept).sum())
    penalty = first * np.square(factors).sum() + second * np.square(right).sum()
    return factors, loadings, float(error + penalty)
