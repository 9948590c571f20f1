"""Constrained decoding: the most likely decisions that satisfy all rules."""

import numpy as np

from kerasfusion.evaluation.predict import predict_classes
from kerasfusion.reasoning.solver import likeliest

# A probability of 0 or 1 is taken for this far from it: float32 rounds to these, and no model is that sure.
NEAREST = 1e-7


def constrained_decode(rules, predictions):
    """Decide all tasks of a row together: the likeliest answers of those that break no rule.

    The likelihood is the product of the tasks' probabilities (of tags, of each tag's), so calibrate the model first:
    an overconfident task would overrule the others. The result is exact, found by weighted MaxSAT for each row whose
    own decisions break a rule; the others keep theirs, which nothing can beat.

    Args:
        rules: A `Rules`.
        predictions: dict task -> dict with `probabilities`, as from `kf.evaluation.postprocess`, `ProductOfExperts`
            or `WeightedProductOfExperts`: `(n, C)`, of a binary task `(n, 2)`. Tasks that the rules do not speak of
            may be in it.

    Returns:
        dict task -> decisions in the form of its labels: int32 `(n,)` classes, float32 `(n,)` binary, float32
        `(n, C)` tags.

    Raises:
        ValueError: a task of the rules is not predicted, or a probability is not a number.

    Example:

    ```python
    found = predictions(model, predict_logits(model, test))
    decided = kf.reasoning.constrained_decode(rules, found)
    rules.violations(decided).any()  # False
    ```
    """
    lacking = [task.name for task in rules.tasks if task.name not in predictions]
    if lacking:
        raise ValueError(
            f"constrained_decode: the rules are over {', '.join(lacking)}, which is not among {sorted(predictions)}."
        )
    assignment = rules.assignment({task.name: predict_classes(task, predictions[task.name]) for task in rules.tasks})
    gains = _gains(rules, predictions)
    clauses = [c for group in (*rules.clauses, *rules.implied_clauses.values()) for c in group]
    for row in np.flatnonzero(rules.violated_by(assignment).any(axis=1)):
        assignment[row] = likeliest(clauses, gains[row])
    return rules.to_decisions(assignment)


def _gains(rules, predictions):
    """What it adds to a row's log-likelihood that a predicate holds rather than not: float64 `(n, predicates)`."""
    parts = []
    for task in rules.tasks:
        probabilities = np.asarray(predictions[task.name]["probabilities"], "float64")
        if np.isnan(probabilities).any():
            row = np.flatnonzero(np.isnan(probabilities).any(axis=1))[0]
            raise ValueError(f"constrained_decode: a probability of {task.name!r} is not a number in row {row}.")
        if task.one_class and not rules.exclusive(task):
            probabilities = probabilities[:, 1:]
        probabilities = np.clip(probabilities, NEAREST, 1 - NEAREST)
        # Of classes exactly one holds, so that only differences count: from the likeliest, which then costs nothing.
        gain = np.log(probabilities)
        gain -= gain.max(axis=1, keepdims=True) if rules.exclusive(task) else np.log1p(-probabilities)
        parts.append(gain)
    return np.concatenate(parts, axis=1)
