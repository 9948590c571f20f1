"""Constrained decoding: the most likely predictions that satisfy all rules."""

import numpy as np

from kerasfusion.evaluation.predict import predict_classes
from kerasfusion.reasoning.solver import likeliest

# Probabilities are clipped to this distance from 0 and 1, which float32 rounds to.
NEAREST = 1e-7


def constrained_decode(rules, predictions):
    """Decode all tasks jointly: the most likely classes and tags that violate no rule.

    The likelihood is the product of the probabilities of all tasks (and of each tag), so calibrate the model first:
    an overconfident task would override the others. The result is exact. Rows whose independent predictions satisfy
    all rules keep them; the others are solved by weighted MaxSAT.

    Args:
        rules: `Rules`.
        predictions: Dict of task -> dict with `probabilities`, as from `kf.evaluation.postprocess`,
            `ProductOfExperts` or `WeightedProductOfExperts`: `(n, C)`, or `(n, 2)` for a binary task. Tasks without
            rules are ignored.

    Returns:
        Dict of task -> predictions in the form of its labels: classes int32 `(n,)`, binary float32 `(n,)`, tags
        float32 `(n, C)`.

    Raises:
        ValueError: If a task of the rules is missing, or a probability is NaN.

    Example:

    ```python
    logits = kf.evaluation.predict_logits(model, test)
    decoded = kf.reasoning.constrained_decode(rules, kf.evaluation.postprocess(model, logits))
    rules.violations(decoded).any()  # False
    ```
    """
    lacking = [task.name for task in rules.tasks if task.name not in predictions]
    if lacking:
        raise ValueError(
            f"The rules need predictions of {', '.join(lacking)}. Received: predictions of {sorted(predictions)}"
        )
    assignment = rules.assignment({task.name: predict_classes(task, predictions[task.name]) for task in rules.tasks})
    gains = _gains(rules, predictions)
    clauses = [c for group in (*rules.clauses, *rules.implied_clauses.values()) for c in group]
    for row in np.flatnonzero(rules.violated_by(assignment).any(axis=1)):
        assignment[row] = likeliest(clauses, gains[row])
    return rules.to_decisions(assignment)


def _gains(rules, predictions):
    """Log-likelihood gained if a predicate holds rather than not, float64 `(n, predicates)`."""
    parts = []
    for task in rules.tasks:
        probabilities = np.asarray(predictions[task.name]["probabilities"], "float64")
        if np.isnan(probabilities).any():
            row = np.flatnonzero(np.isnan(probabilities).any(axis=1))[0]
            raise ValueError(f"A probability of {task.name!r} is NaN in row {row}.")
        if task.one_class and not rules.exclusive(task):
            probabilities = probabilities[:, 1:]
        probabilities = np.clip(probabilities, NEAREST, 1 - NEAREST)
        # Exactly one class holds, so only differences matter: relative to the most likely class, whose cost is 0.
        gain = np.log(probabilities)
        gain -= gain.max(axis=1, keepdims=True) if rules.exclusive(task) else np.log1p(-probabilities)
        parts.append(gain)
    return np.concatenate(parts, axis=1)
