"""Classical baseline on a table's columns: gradient boosting of numbers and categories."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from kerasfusion.evaluation.features import FEATURES
from kerasfusion.evaluation.stored_baseline import StoredBaseline, as_bytes, as_text
from kerasfusion.evaluation.tasks import TASKS

# Trees, one of whose numbers the validation split chooses.
STAGES = (10, 30, 100, 200)
MOST_ROWS = 50_000
# Every class and every tag has trees of its own.
MOST_OUTPUTS = 50
# In place of a number of classes.
TAGS, NUMBER = 0, -1
# What is kept of a task.
KEYS = ("labels", "places", "weights", "classes", "trees")
# scikit-learn's limit for a categorical column; with more, ids are numbers in order of frequency.
MOST_CATEGORIES = 255


class BoostedColumns(StoredBaseline):
    """Gradient boosting of the numbers and categories of a row (histograms, arXiv 1603.02754), by scikit-learn.

    The file of `save` holds the training rows, and `load` fits the same trees again, since scikit-learn has no format
    for them but pickles.

    Args:
        train: `Examples` with numbers or categories.
        validation: `Examples` that choose the number of trees.

    Attributes:
        features: list of str, the features' names.
        models: dict task name -> fitted model; without the tasks that it cannot learn.

    Example:

    ```python
    baseline = kf.evaluation.BoostedColumns(data.splits["train"], data.splits["validation"])
    baseline.predict(data.splits["test"])["label"]["probabilities"]  # (n, C)
    ```
    """

    name = "numbers and categories + boosting"

    def __init__(self, train, validation):
        self.features = _features(train.schema)
        self.rows, self.categorical = _columns(train, self.features)
        checked, _ = _columns(validation, self.features)
        self.targets, self.models = {}, {}
        for task in train.schema.tasks:
            known, held_out = train.weights[task.name] > 0, validation.weights[task.name] > 0
            labels = train.labels[task.name][known]
            if not _learnable(task, labels):
                continue
            target = {"labels": labels, "places": np.flatnonzero(known), "weights": train.weights[task.name][known]}
            target["classes"] = NUMBER if task.is_number else task.class_count if task.one_class else TAGS
            found = {}
            for trees in STAGES:
                model = self._fit({**target, "trees": trees})
                decided = TASKS[task.type].decide(model.predict(checked[held_out]))
                name, top, bottom = TASKS[task.type].row_terms(validation.labels[task.name][held_out], decided)
                score = top.sum() / max(bottom.sum(), 1)
                # Of equal scores, the fewest trees.
                found[-score if name == "mae" else score, -trees] = model
            best = max(found)
            self.targets[task.name], self.models[task.name] = {**target, "trees": -best[1]}, found[best]

    @classmethod
    def suits(cls, data):
        wide = any(task.outputs > MOST_OUTPUTS for task in data.schema.tasks)
        return bool(_features(data.schema)) and not wide and len(data.splits["train"]) <= MOST_ROWS

    def reads(self, examples):
        return {feature.name for feature in examples.schema.features} >= set(self.features)

    def predict(self, examples):
        rows, _ = _columns(examples, self.features)
        names = {task.name for task in examples.schema.tasks}
        return {name: model.predict(rows) for name, model in self.models.items() if name in names}

    def to_arrays(self):
        arrays = {"features": as_bytes("\n".join(self.features)), "rows": self.rows, "categorical": self.categorical}
        for name, target in self.targets.items():
            arrays |= {f"task/{name}/{key}": value for key, value in target.items()}
        return arrays

    def from_arrays(self, arrays):
        self.features = as_text(arrays["features"]).split("\n")
        self.rows, self.categorical = arrays["rows"], arrays["categorical"]
        tasks = [name.removesuffix("/trees") for name in arrays if name.endswith("/trees")]
        self.targets = {t.removeprefix("task/"): {key: arrays[f"{t}/{key}"] for key in KEYS} for t in tasks}
        self.models = {name: self._fit(target) for name, target in self.targets.items()}

    def _fit(self, target):
        settings = {"max_iter": int(target["trees"]), "early_stopping": False, "random_state": 0}
        settings["categorical_features"] = self.categorical
        rows = self.rows[target["places"]]
        with _one_thread():
            return _Trees(int(target["classes"]), settings).fit(rows, target["labels"], target["weights"])


class _Trees:
    """The fitted trees of one task, whose `classes` are a number of classes, `TAGS` or `NUMBER`."""

    def __init__(self, classes, settings):
        self.classes = classes
        self.settings = settings

    def fit(self, rows, labels, weights):
        def classify(labels):
            return HistGradientBoostingClassifier(**self.settings).fit(rows, labels.astype(int), weights)

        if self.classes == NUMBER:
            self.parts = [HistGradientBoostingRegressor(**self.settings).fit(rows, labels, weights)]
        elif self.classes == TAGS:
            # A tag that all rows have, or none, has no trees.
            self.parts = [classify(tag) if len(np.unique(tag)) > 1 else float(tag[0]) for tag in labels.T]
        else:
            self.parts = [classify(labels)]
        return self

    def predict(self, rows):
        with _one_thread():
            return self._predict(rows)

    def _predict(self, rows):
        if self.classes == NUMBER:
            return {"value": self.parts[0].predict(rows)}
        if self.classes == TAGS:
            tags = [
                np.full(len(rows), p) if isinstance(p, float) else p.predict_proba(rows)[:, 1] for p in self.parts
            ]
            return {"probabilities": np.stack(tags, axis=1)}
        found = np.zeros((len(rows), self.classes))
        found[:, self.parts[0].classes_] = self.parts[0].predict_proba(rows)
        return {"probabilities": found}


def _one_thread():
    """Threads that wait for one another on a busy machine take hundreds of times as long as one."""
    return threadpool_limits(1, user_api="openmp")


def _learnable(task, labels):
    return (task.one_class or task.any_classes or task.is_number) and len(np.unique(labels, axis=0)) > 1


def _features(schema):
    """Names of the features that are columns of numbers or categories."""
    return [feature.name for feature in schema.features if FEATURES[feature.kind].tabular]


def _columns(examples, features):
    """Numbers and ids of categories, float32 `(n, columns)`, NaN where one is missing; and which are categories."""
    found = [FEATURES[examples.schema[name].kind].columns(examples.schema[name], examples) for name in features]
    columns, sizes = zip(*found, strict=True)
    sizes = np.concatenate(sizes)
    return np.concatenate(columns, axis=1), (sizes > 0) & (sizes <= MOST_CATEGORIES)
