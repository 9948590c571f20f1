"""What a model does on a split, beside everything it has to beat."""

import dataclasses

import numpy as np

from kerasfusion.evaluation import trivial_baselines
from kerasfusion.evaluation.calibration import before_and_after
from kerasfusion.evaluation.features import FEATURES
from kerasfusion.evaluation.predict import postprocess, predict_classes, predict_logits
from kerasfusion.evaluation.scores import (
    difference_to_best,
    further_scores,
    row_terms,
    score_by,
    score_predictions,
    standing,
    strongest_simple,
    verdict,
)
from kerasfusion.evaluation.statistics import Difference
from kerasfusion.evaluation.tasks import TASKS
from kerasfusion.models import get_heads


@dataclasses.dataclass(frozen=True, eq=False)
class TaskReport:
    """One task on one split.

    Args:
        task: The `Task`.
        scores: Name -> `Score`, the model first, then its baselines.
        by_kind: Model and baseline name -> question type or class -> `Score`.
        further: Other figures of the model.
        labels: Labels of the rows scored.
        decided: The model's decisions.
        prediction: The model's probabilities or values.
        rows: Positions of these rows in the examples (those with a label).
        calibration: What the model's temperature does for its probabilities, as from `before_and_after`; None for a
            task without classes.
        answers: Model and baseline name -> decisions.
        difference: The model's paired `Difference` to the best baseline; None without one.
        simple: Names of the baselines that are simpler than any network: linear models and lookups.
    """

    task: object
    scores: dict
    by_kind: dict
    further: dict
    labels: np.ndarray
    decided: np.ndarray
    prediction: dict
    rows: np.ndarray
    calibration: dict | None = None
    answers: dict = dataclasses.field(default_factory=dict)
    difference: Difference | None = None
    simple: tuple = ()

    @property
    def recommended(self):
        """The name of the best baseline, where it is a simple one and the model does not beat it; else None."""
        return strongest_simple(self.scores, self.difference, self.simple)

    @property
    def standing(self):
        """`"beats"` the best baseline, `"not significantly different"`, `"worse"`, or `"alone"` without one."""
        return standing(self.difference)

    @property
    def verdict(self):
        """One sentence: whether the model beats the best of its baselines."""
        return verdict(self.task.title, self.scores, self.difference)

    def to_dict(self):
        plain = {name: dataclasses.asdict(found) for name, found in self.scores.items()}
        by_kind = {
            name: {kind: dataclasses.asdict(found) for kind, found in kinds.items()}
            for name, kinds in self.by_kind.items()
        }
        return {
            "type": self.task.type,
            "verdict": self.verdict,
            "standing": self.standing,
            "recommended": self.recommended,
            "difference": None if self.difference is None else dataclasses.asdict(self.difference),
            "scores": plain,
            "by_kind": by_kind,
            "further": self.further,
            "calibration": self.calibration,
        }


def evaluate_models(models, examples, train=None, slice_by=None, classical=None):
    """Score a model and its baselines on a split.

    Args:
        models: dict name -> plain model, the one reported on first.
        examples: The split's `Examples`, with labels.
        train: Training `Examples`, for the trivial_baselines; None leaves these out.
        slice_by: Column by which scores are broken down; None breaks down by class, where there are classes.
        classical: Optional function `Examples` -> dict name -> dict task -> prediction (see `predict_classes`) of
            the classical baselines, scored beside the models on the tasks that they learned.

    Returns:
        dict task name -> TaskReport, of a match `MatchReport`, of a caption `CaptionReport`
    """
    alone = [task for task in examples.schema.tasks if TASKS[task.type].reports_alone]
    if alone:
        return {task.name: TASKS[task.type].report(models, examples, task, train) for task in alone}
    logits = {name: predict_logits(model, examples) for name, model in models.items()}
    found = {name: postprocess(model, logits[name]) for name, model in models.items()}
    simple = {} if classical is None else classical(examples)
    groups = image_groups(examples)
    first, model = next(iter(models.items()))
    reports = {}
    for task in examples.schema.tasks:
        own = _task_report(task, found, simple, examples, train, slice_by, groups)
        if task.has_probabilities:
            temperature = get_heads(model)[task.name].temperature
            calibration = before_and_after(task, own.labels, logits[first][task.name][own.rows], temperature)
            own = dataclasses.replace(own, calibration=calibration)
        reports[task.name] = own
    return reports


def image_groups(examples):
    """Which rows show the same image, int `(n,)`; None where there is no single image column."""
    images = [examples.arrays[name] for name in examples.banks]
    # A missing image is nobody's twin.
    return np.where(images[0] >= 0, images[0], -1 - np.arange(len(examples))) if len(images) == 1 else None


def _task_report(task, found, simple, examples, train, slice_by, groups):
    rows = np.flatnonzero(examples.weights[task.name] > 0)
    labels = examples.labels[task.name][rows]
    groups = None if groups is None else groups[rows]
    learned = {name: prediction for name, prediction in simple.items() if task.name in prediction}
    predictions = {**found, **learned}
    decided = {name: predict_classes(task, prediction[task.name])[rows] for name, prediction in predictions.items()}
    lookups = {}
    if train is not None:
        lookups = _lookups(task, train, examples.take(rows), groups)
        decided.update(lookups)
    scores = {name: score_predictions(task, labels, answers, groups) for name, answers in decided.items()}
    terms = {name: row_terms(task, labels, answers)[1:] for name, answers in decided.items()}
    difference = difference_to_best(scores, terms, groups)
    if slice_by is not None:
        kinds = examples.frame[slice_by].to_numpy(object)[rows]
    else:
        kinds = TASKS[task.type].slices(task, labels)
    by_kind = {}
    if kinds is not None:
        by_kind = {name: score_by(task, labels, answers, kinds, groups) for name, answers in decided.items()}
    model = next(iter(found))
    prediction = {key: value[rows] for key, value in found[model][task.name].items()}
    further = further_scores(task, labels, decided[model], prediction)
    simple = (*learned, *lookups)
    return TaskReport(
        task, scores, by_kind, further, labels, decided[model], prediction, rows, None, decided, difference, simple
    )


def _lookups(task, train, test, groups):
    seen = np.flatnonzero(train.weights[task.name] > 0)
    labels = train.labels[task.name][seen]
    answers = {"majority": trivial_baselines.majority(task, labels, len(test))}
    for kind, entry in FEATURES.items():
        parts = [[entry.keys(f, part) for f in train.schema.of_kind(kind)] for part in (train.take(seen), test)]
        if parts[0] and parts[0][0] is not None:
            known, asked = (list(zip(*keys, strict=True)) for keys in parts)
            answers[f"{entry.what} lookup"] = trivial_baselines.by_key(task, known, labels, asked)
    if groups is not None and len(np.unique(groups)) * 2 <= len(groups):
        (name,) = test.banks
        answers[f"ceiling of {FEATURES[test.kinds[name]].what} alone"] = trivial_baselines.ceiling_by_key(
            task, groups.tolist(), test.labels[task.name]
        )
    return answers
