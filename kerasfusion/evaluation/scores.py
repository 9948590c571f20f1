"""Scores with intervals. Every main score is a ratio of sums over rows, so one bootstrap serves them all."""

import dataclasses

import numpy as np
from sklearn import metrics

RESAMPLES = 1000


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
        return self.name not in ("mae", "cider")

    def better_by(self, other):
        """How much better this is than another score of the same name, in its own unit."""
        return (self.value - other.value) * (1 if self.higher_is_better else -1)

    def apart_from(self, other):
        """Whether the two intervals do not touch."""
        return self.low > other.high or self.high < other.low

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


def standing(scores):
    """How the model stands to its best baseline: `"beats"`, `"unsure"`, `"loses"`, or `"alone"` without one.

    Args:
        scores: Name -> `Score`, the model first. Unsure is a lead with intervals that overlap.
    """
    own, rival = next(iter(scores.values())), best_baseline(scores)
    if rival is None:
        return "alone"
    if own.better_by(rival[1]) <= 0:
        return "loses"
    return "beats" if own.apart_from(rival[1]) else "unsure"


def verdict(name, scores):
    """One sentence: whether the model beats the best of its baselines.

    Args:
        name: The task's name.
        scores: Name -> `Score`, the model first.
    """
    model, own = next(iter(scores.items()))
    rival = best_baseline(scores)
    if rival is None:
        return f"{name}: {model} {own}."
    best_name, best = rival
    gain = own.better_by(best)
    unit = f"{abs(gain) * 100:.1f} points" if own.is_share else f"{abs(gain):.4g}"
    apart = "the 95 % intervals are apart" if own.apart_from(best) else "the 95 % intervals overlap"
    if gain > 0:
        return f"{name}: {model} {own} beats the best baseline, {best_name} {best}, by {unit}; {apart}."
    worse = f"worse by {unit}; {apart}" if gain < 0 else "they are equal"
    return f"{name}: {model} {own} does NOT beat {best_name} {best}: {worse}."


def row_terms(task, labels, decided):
    """Per-row numerator and denominator of the task's main score: name, `(n,)`, `(n,)`."""
    if task.type == "regression":
        return "mae", np.abs(labels - decided), np.ones(len(labels))
    if task.type == "multilabel":
        hits = (labels * decided).sum(axis=1)
        return "f1_micro", 2 * hits, labels.sum(axis=1) + decided.sum(axis=1)
    return "accuracy", (labels == decided).astype(float), np.ones(len(labels))


def score_predictions(task, labels, decided, groups=None, rows=None, seed=0):
    """The main score of decisions, with a bootstrap interval.

    Args:
        task: A `Task`: accuracy for binary and classes, micro F1 for tags, mean absolute error for numbers.
        labels: Labels as in `Examples`.
        decided: Decisions in the same form.
        groups: int `(n,)`: rows of one group (the same image) are resampled together; None, each row alone.
        rows: bool or positions: score these rows alone.
        seed: Seed of the resampling.

    Returns:
        Score
    """
    name, top, bottom = row_terms(task, labels, decided)
    groups = np.arange(len(top)) if groups is None else groups
    if rows is not None:
        top, bottom, groups = top[rows], bottom[rows], groups[rows]
    return ratio(name, top, bottom, groups, seed)


def ratio(name, top, bottom, groups, seed=0):
    """A ratio of sums over rows with a bootstrap interval.

    Args:
        name: The score's name.
        top: float `(n,)`, each row's part of the numerator.
        bottom: float `(n,)`, of the denominator.
        groups: As for `score`.
        seed: Seed of the resampling.

    Returns:
        Score
    """
    _, groups = np.unique(groups, return_inverse=True)
    top, bottom = (np.bincount(groups, weights=part) for part in (top, bottom))
    random = np.random.default_rng(seed)
    count = len(top)
    draws = random.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    resampled = (draws @ top) / np.maximum(draws @ bottom, 1e-12)
    low, high = np.quantile(resampled, [0.025, 0.975])
    value = top.sum() / max(bottom.sum(), 1e-12)
    return Score(name, float(value), float(low), float(high), len(groups))


def further_scores(task, labels, decided, prediction):
    """Other figures people ask for: dict name -> float."""
    if task.type == "regression":
        return {
            "rmse": float(np.sqrt(metrics.mean_squared_error(labels, decided))),
            "r2": float(metrics.r2_score(labels, decided)) if len(labels) > 1 else float("nan"),
        }
    if task.type == "multilabel":
        return {
            f"f1_{average}": float(metrics.f1_score(labels, decided, average=average, zero_division=0))
            for average in ("macro", "samples", "weighted")
        }
    found = {
        "f1_macro": float(metrics.f1_score(labels, decided, average="macro", zero_division=0)),
        "balanced_accuracy": float(_balanced_accuracy(labels, decided)),
    }
    if task.type == "binary" and len(np.unique(labels)) == 2:
        found["auroc"] = float(metrics.roc_auc_score(labels, prediction["probabilities"][:, 1]))
    return found


def _balanced_accuracy(labels, decided):
    # scikit-learn's own warns where a class is decided for that no label has.
    return np.mean([(decided[labels == c] == c).mean() for c in np.unique(labels)])


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
