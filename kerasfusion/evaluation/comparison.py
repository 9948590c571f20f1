"""Compare several models, each trained with several seeds, by their answers on the same test rows."""

import dataclasses

import numpy as np

from kerasfusion.evaluation.scores import row_terms
from kerasfusion.evaluation.statistics import (
    LEVEL,
    UNDECIDED,
    Difference,
    by_group,
    compare_all,
    linear_values,
    share_interval,
    student_interval,
)


@dataclasses.dataclass(frozen=True)
class ModelComparison:
    """One model's score over its seeds.

    Args:
        mean: The mean of the scores of its seeds.
        low: Lower end of its 95 % interval.
        high: Upper end.
        per_seed: The score of each seed.
        gap_to_best: How far its mean is from the best model's, in the score's own unit, never below 0.
        p_adjusted: The p-value of that difference, adjusted for all pairs of models; 1 for the best itself.
    """

    mean: float
    low: float
    high: float
    per_seed: tuple
    gap_to_best: float
    p_adjusted: float

    @property
    def significant(self):
        """Whether the gap to the best model is significant at the 5 % level."""
        return self.p_adjusted < LEVEL


@dataclasses.dataclass(frozen=True)
class TaskComparison:
    """One task's comparison.

    Args:
        task: The `Task`.
        metric: `"accuracy"`, `"f1_micro"` or `"mae"`.
        scores: Name -> `ModelComparison`, the best first.
        rows: Test rows.
        seeds: Seeds of every model.
        differences: `(name, name)` -> `Difference` of the first to the second, simultaneous over all pairs.
    """

    task: object
    metric: str
    scores: dict
    rows: int
    seeds: int
    differences: dict = dataclasses.field(repr=False)

    @property
    def best(self):
        """Name of the model with the best mean."""
        return next(iter(self.scores))

    def indistinguishable(self):
        """Names of the models that are not significantly different from the best."""
        return [name for name, found in self.scores.items() if name != self.best and not found.significant]

    def standing(self, names):
        """How the best of some models stands to the best of the others.

        Args:
            names: Some of the models' names.

        Returns:
            `"beats"`, `"not significantly different"` or `"worse"`; None where one of the two groups is empty.
        """
        own, others = (
            next((name for name in self.scores if (name in names) == wanted), None) for wanted in (True, False)
        )
        return None if own is None or others is None else self.differences[own, others].verdict

    def figure(self, value):
        """A score of this task as people read it."""
        return f"{value:.4g}" if self.metric == "mae" else f"{value:.1%}"

    @property
    def verdict(self):
        """One sentence: which models are not significantly different from the best."""
        best = self.scores[self.best]
        named = f"{self.best} {self.figure(best.mean)} [{self.figure(best.low)}, {self.figure(best.high)}]"
        on = f"({self.seeds} seed{'s' if self.seeds > 1 else ''}, {self.rows:,} test rows)"
        together = self.indistinguishable()
        if together:
            return f"{self.task.title}: {UNDECIDED} from the best model, {named}: {', '.join(together)} {on}."
        return f"{self.task.title}: the best model, {named}, beats all {len(self.scores) - 1} others {on}."


def compare_predictions(task, labels, decided, groups=None):
    """Compare models by their decisions on the same rows.

    Intervals and tests ask what other seeds *and* other rows would give. All pairs of models are tested at once
    (`kerasfusion.evaluation.statistics.compare_all`): where all models are equally good, at most about 5 % of
    comparisons name any difference, also where their seeds vary unequally. The best model is picked on these rows, so
    its own mean is a little flattered. With one seed, nothing is said of other seeds; with two, little.

    Args:
        task: A `Task`; its main score is compared (see `kf.evaluation.score_predictions`).
        labels: Labels of `n` rows.
        decided: Name -> list of decisions, one for each seed, in the form of the labels. All have as many seeds.
        groups: int `(n,)`: rows of one group (the same image) count as one; None, each row alone.

    Returns:
        TaskComparison

    Example:

    ```python
    found = kf.evaluation.compare_predictions(
        task, labels, {"gated": [seed_0, seed_1, seed_2], "concat": [other_0, other_1, other_2]}
    )
    print(found.verdict)
    ```
    """
    values, sums = {}, {}
    for name, seeds in decided.items():
        terms = [row_terms(task, labels, answers) for answers in seeds]
        metric = terms[0][0]
        sums[name] = np.array([[by_group(part, groups) for part in (top, bottom)] for _, top, bottom in terms])
        values[name] = np.stack([linear_values(top, bottom) for top, bottom in sums[name]])
    sign, share = (-1, False) if metric == "mae" else (1, True)
    order = sorted(values, key=lambda name: -sign * values[name].mean())
    family = compare_all(sign * np.stack([values[name] for name in order]), share)
    seeds, scores = len(values[order[0]]), {}
    for place, name in enumerate(order):
        mean = float(values[name].mean())
        if share:
            freedom = family.freedom[place] if seeds > 1 else None
            low, high = share_interval(*sums[name].mean(axis=0), family.seed_variance[place], freedom)
        else:
            low, high = student_interval(mean, family.error[place], family.freedom[place])
            low = max(low, 0.0)
        scores[name] = ModelComparison(
            mean,
            min(low, mean),
            max(high, mean),
            tuple(values[name].mean(axis=1).tolist()),
            float(family.differences[0, place]),
            float(family.p[0, place]) if place else 1.0,
        )
    differences = {
        (order[i], order[j]): Difference(
            *(float(family.differences[i, j] + side * family.reach[i, j]) for side in (0, -1, 1)),
            float(family.p[i, j]),
        )
        for i in range(len(order))
        for j in range(len(order))
        if i != j
    }
    return TaskComparison(task, metric, scores, len(labels), seeds, differences)
