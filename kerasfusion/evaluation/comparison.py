"""Several models, each trained with several seeds, on the same test rows: which differences are more than chance."""

import dataclasses

import numpy as np
from scipy import stats

from kerasfusion.evaluation.scores import row_terms

LEVEL = 0.05
# The typical variance between seeds counts as much as so many seeds more of a model's own: three seeds alone say
# little of their variance, and by chance one model's can be tiny or huge.
PRIOR_SEEDS = 4


@dataclasses.dataclass(frozen=True)
class ModelComparison:
    """One model's score over its seeds.

    Args:
        mean: The mean of the scores of its seeds.
        low: Lower end of its 95 % interval.
        high: Upper end.
        per_seed: The score of each seed.
        behind: How far its mean is behind the best model's, in the score's own unit, never below 0.
        p: The p-value of that difference after Holm's correction; 1 for the best itself.
    """

    mean: float
    low: float
    high: float
    per_seed: tuple
    behind: float
    p: float

    @property
    def apart(self):
        """Whether it is told apart from the best."""
        return self.p < LEVEL


@dataclasses.dataclass(frozen=True)
class TaskComparison:
    """One task's comparison.

    Args:
        task: The `Task`.
        metric: `"accuracy"`, `"f1_micro"` or `"mae"`.
        scores: Name -> `ModelComparison`, the best first.
        rows: Test rows.
        seeds: Seeds of every model.
    """

    task: object
    metric: str
    scores: dict
    rows: int
    seeds: int

    @property
    def best(self):
        """Name of the model with the best mean."""
        return next(iter(self.scores))

    def together(self):
        """Names of the models that are not told apart from the best."""
        return [name for name, found in self.scores.items() if name != self.best and not found.apart]

    def figure(self, value):
        """A score of this task as people read it."""
        return f"{value:.4g}" if self.metric == "mae" else f"{value:.1%}"

    @property
    def verdict(self):
        """One sentence: what cannot be told apart from the best."""
        best = self.scores[self.best]
        named = f"{self.best} {self.figure(best.mean)} [{self.figure(best.low)}, {self.figure(best.high)}]"
        on = f"({self.seeds} seed{'s' if self.seeds > 1 else ''}, {self.rows:,} test rows)"
        together = self.together()
        if together:
            return f"{self.task.title}: not told apart from the best, {named}: {', '.join(together)} {on}."
        return f"{self.task.title}: the best, {named}, is told apart from all {len(self.scores) - 1} others {on}."


def compare_predictions(task, labels, decided, groups=None):
    """Compare models by their decisions on the same rows.

    The intervals and tests ask what would be found with other seeds *and* other rows: the variance of the mean is
    that between seeds plus that between rows (crossed random effects; rows of a group count as one), and Student's t
    has Satterthwaite's degrees of freedom. A model's variance between seeds is drawn toward the median of all
    models', as in moderated t tests (Smyth 2004). A model is compared with the best by their differences on the same
    rows, and Holm's correction bounds the chance of any false difference. The best is picked on these rows, so its
    own mean is a little flattered. With one seed, nothing is said of other seeds.

    Args:
        task: A `Task`; its main score is compared (see `kf.evaluation.score_predictions`).
        labels: Labels of `n` rows.
        decided: Name -> list of decisions, one for each seed, in the form of the labels. All have as many seeds.
        groups: int `(n,)`: rows of one group (the same image); None, each row alone.

    Returns:
        TaskComparison

    Example:

    ```python
    found = compare_predictions(task, labels, {"gated": [seed_0, seed_1, seed_2], "concat": [other_0, other_1,
    other_2]}) print(found.verdict) ```
    """
    groups = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    values = {}
    for name, seeds in decided.items():
        metric, *_ = row_terms(task, labels, seeds[0])
        values[name] = np.stack([_group_values(task, labels, answers, groups) for answers in seeds])
    sign = -1 if metric == "mae" else 1
    order = sorted(values, key=lambda name: -sign * values[name].mean())
    best, *others = order
    between = _between_seeds(values)
    tests = {name: estimate(sign * (values[best] - values[name]), (between[best], between[name])) for name in others}
    corrected = dict(zip(others, holm([tests[name].p for name in others]), strict=True))
    scores = {}
    for name in order:
        own = estimate(values[name], (between[name],))
        low, high = own.interval()
        scores[name] = ModelComparison(
            own.mean,
            max(low, 0.0),
            high if metric == "mae" else min(high, 1.0),
            tuple(values[name].mean(axis=1).tolist()),
            tests[name].mean if name in tests else 0.0,
            corrected.get(name, 1.0),
        )
    return TaskComparison(task, metric, scores, len(labels), len(values[best]))


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds and rows: its value, standard error and degrees of freedom."""

    mean: float
    error: float
    freedom: float

    @property
    def p(self):
        """The p-value (two sides) of its being 0."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    def interval(self):
        """The 95 % interval."""
        reach = stats.t.ppf(1 - LEVEL / 2, self.freedom) * self.error
        return float(self.mean - reach), float(self.mean + reach)


def estimate(values, between_seeds):
    """The mean of values that vary by seed and by row, as an `Estimate`.

    Args:
        values: float `(seeds, rows)`: a model's, or the differences of two models'.
        between_seeds: For each of these models `(variance between seeds, its degrees of freedom)`.

    Returns:
        Estimate
    """
    seeds, rows = values.shape
    by_row = values.mean(axis=0)
    parts = [(by_row.var(ddof=1) / rows if rows > 1 else 0.0, rows - 1)]
    parts += [(variance / seeds, freedom) for variance, freedom in between_seeds]
    total, largest = (sum(part for part, _ in parts), max(part for part, _ in parts))
    if seeds > 1:
        # What varies by seed and row together is in both parts, and counts once.
        rest = values - by_row - values.mean(axis=1, keepdims=True) + values.mean()
        both = (rest**2).sum() / max((seeds - 1) * (rows - 1), 1) / (seeds * rows)
        total = max(total - both, largest)
    spread = sum(part**2 / max(freedom, 1) for part, freedom in parts)
    freedom = total**2 / spread if spread > 0 else 1.0
    return Estimate(float(values.mean()), float(np.sqrt(total)), float(max(freedom, 1.0)))


def _between_seeds(values):
    """Name -> `(variance between seeds, degrees of freedom)`; no variance where all seeds answer alike."""
    seeds = len(next(iter(values.values())))
    if seeds == 1:
        return dict.fromkeys(values, (0.0, 1))
    own = {name: part.mean(axis=1).var(ddof=1) for name, part in values.items() if np.ptp(part, axis=0).any()}
    typical, freedom = np.median(list(own.values())) if own else 0.0, seeds - 1 + PRIOR_SEEDS
    drawn = {name: (PRIOR_SEEDS * typical + (seeds - 1) * variance) / freedom for name, variance in own.items()}
    return {name: (drawn.get(name, 0.0), freedom) for name in values}


def holm(p_values):
    """Holm's corrected p-values, in the order given."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = largest
    return corrected


def _group_values(task, labels, decided, groups):
    """A value for each group, whose mean is the score: of a ratio of sums, its linear part around the score."""
    _, top, bottom = row_terms(task, labels, decided)
    top, bottom = (np.bincount(groups, weights=part) for part in (top, bottom))
    whole = max(bottom.sum(), 1e-12)
    ratio = top.sum() / whole
    return ratio + (top - ratio * bottom) * (len(top) / whole)
