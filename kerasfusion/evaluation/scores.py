"""Main scores with intervals, and the verdict on a model beside its baselines."""

import dataclasses

import numpy as np

from kerasfusion.evaluation.statistics import (
    BEATS,
    UNDECIDED,
    WORSE,
    bootstrap_interval,
    by_group,
    linear_values,
    paired_difference,
    share_interval,
)
from kerasfusion.evaluation.tasks import TASKS

# Scores without an upper bound of 1.
UNBOUNDED = ("mae", "cider")
# What a verdict is where there is nothing to compare with.
ALONE = "alone"


@dataclasses.dataclass(frozen=True)
class Score:
    """A figure and its 95 % interval.

    Args:
        name: `"accuracy"`, `"f1_micro"`, `"mae"` or `"cider"`.
        value: The figure.
        low: Lower end of the interval.
        high: Upper end.
        n: Rows it was computed on.
    """

    name: str
    value: float
    low: float
    high: float
    n: int

    @property
    def higher_is_better(self):
        return self.name != "mae"

    @property
    def is_share(self):
        """Whether it lies between 0 and 1 and is read in percent."""
        return self.name not in UNBOUNDED

    def better_by(self, other):
        """How much better this is than another score of the same name, in its own unit."""
        return (self.value - other.value) * (1 if self.higher_is_better else -1)

    def __str__(self):
        if self.name == "cider":
            return f"CIDEr {self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
        if self.name == "mae":
            return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def best_baseline(scores):
    """The baseline that the model has to beat: `(name, Score)`, or None where there is none.

    A ceiling is chosen with the labels in hand, so it is no rival.

    Args:
        scores: Name -> `Score`, the model first.
    """
    _, *others = scores.items()
    others = [(name, score) for name, score in others if not name.startswith("ceiling")]
    return max(others, key=lambda item: item[1].value * (1 if item[1].higher_is_better else -1), default=None)


def standing(difference):
    """`"beats"`, `"not significantly different"`, `"worse"`, or `"alone"` without a baseline.

    Args:
        difference: The `Difference` to the best baseline, or None.
    """
    return ALONE if difference is None else difference.verdict


def difference_to_best(scores, terms, groups=None):
    """The paired difference of a model and its best baseline.

    Args:
        scores: Name -> `Score`, the model first.
        terms: Name -> `(top, bottom)`, float `(n,)`: each row's part of the score (`row_terms`).
        groups: As for `score_predictions`.

    Returns:
        `Difference`, positive where the model is better; None where there is no baseline.
    """
    rival = best_baseline(scores)
    if rival is None:
        return None
    model, own = next(iter(scores.items()))
    sign = 1 if own.higher_is_better else -1
    first, second = (
        sign * linear_values(*(by_group(part, groups) for part in terms[name])) for name in (model, rival[0])
    )
    others = sum(not name.startswith("ceiling") for name in scores) - 1
    return paired_difference(first, second, own.is_share, others)


def strongest_simple(scores, difference, simple):
    """The name of the best baseline, where it is a simple one and the model does not beat it; else None.

    Args:
        scores: Name -> `Score`, the model first.
        difference: What `difference_to_best` gave.
        simple: Names of the baselines that are simpler than any network.
    """
    if difference is None or difference.verdict == BEATS:
        return None
    name, _ = best_baseline(scores)
    return name if name in simple else None


def verdict(name, scores, difference):
    """One sentence: whether the model beats the best of its baselines.

    Args:
        name: The task's name.
        scores: Name -> `Score`, the model first.
        difference: What `difference_to_best` gave.
    """
    model, own = next(iter(scores.items()))
    if difference is None:
        return f"{name}: {model} {own}."
    best_name, best = best_baseline(scores)
    said = {
        BEATS: "beats the best baseline",
        UNDECIDED: "is not significantly different from the best baseline",
        WORSE: "is worse than the best baseline",
    }[difference.verdict]
    return (
        f"{name}: {model} {own} {said}, {best_name} {best}: difference {format_difference(difference, own.is_share)}."
    )


def format_difference(difference, share):
    """A difference as people read it: `+3.1 points [+1.2, +5.0]`, or in the score's own unit."""
    value, low, high = (
        f"{100 * part:+.1f}" if share else f"{part:+.3g}"
        for part in (difference.value, difference.low, difference.high)
    )
    return f"{value}{' points' if share else ''} [{low}, {high}]"


def row_terms(task, labels, decided):
    """Per-row numerator and denominator of the task's main score: name, `(n,)`, `(n,)`."""
    return TASKS[task.type].row_terms(labels, decided)


def score_predictions(task, labels, decided, groups=None, rows=None, seed=0):
    """The main score of decisions, with its 95 % interval (see `ratio`).

    Args:
        task: A `Task`: accuracy for binary and classes, micro F1 for tags, mean absolute error for numbers.
        labels: Labels as in `Examples`.
        decided: Decisions in the same form.
        groups: int `(n,)`: rows of one group (the same image) count as far as they differ; None, each row alone.
        rows: bool or positions: score these rows alone.
        seed: Seed of the bootstrap of an error.

    Returns:
        Score
    """
    name, top, bottom = row_terms(task, labels, decided)
    groups = np.arange(len(top)) if groups is None else groups
    if rows is not None:
        top, bottom, groups = top[rows], bottom[rows], groups[rows]
    return ratio(name, top, bottom, groups, seed)


def ratio(name, top, bottom, groups, seed=0):
    """A ratio of sums over rows, with its 95 % interval.

    A share gets the Wilson interval with a design effect for groups (`statistics.share_interval`), which is never of
    width 0; an error or CIDEr the bootstrap over groups (`statistics.bootstrap_interval`).

    Args:
        name: The score's name.
        top: float `(n,)`, each row's part of the numerator.
        bottom: float `(n,)`, of the denominator.
        groups: As for `score_predictions`.
        seed: Seed of the bootstrap.

    Returns:
        Score
    """
    count = len(top)
    top, bottom = by_group(top, groups), by_group(bottom, groups)
    value = top.sum() / max(bottom.sum(), 1e-12)
    share = name not in UNBOUNDED
    low, high = share_interval(top, bottom) if share else bootstrap_interval(top, bottom, seed)
    return Score(name, float(value), low, high, count)


def further_scores(task, labels, decided, prediction):
    """Other figures people ask for: dict name -> float."""
    return TASKS[task.type].further_scores(labels, decided, prediction)


def score_by(task, labels, decided, kinds, groups=None):
    """The main score within each kind of row.

    Args:
        task: A `Task`.
        labels: Labels.
        decided: Decisions.
        kinds: `(n,)` name of each row's kind (question type, or class).
        groups: As in `score`.

    Returns:
        dict kind -> Score, in alphabetical order.
    """
    kinds = np.asarray(kinds, object).astype(str)
    return {str(k): score_predictions(task, labels, decided, groups, rows=kinds == k) for k in np.unique(kinds)}
