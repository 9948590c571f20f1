"""How answers of one task type are decided, named, scored and shown."""

import numpy as np


class TaskEvaluation:
    """Base class of the registry's entries."""

    # Whether the task is reported on, and answered, without the other tasks of its schema.
    reports_alone = False
    answers_alone = False

    def require_scorers(self):
        """Raise an ImportError that names the extra, where scores need packages that are not installed."""

    def decide(self, prediction):
        """Decisions in the form of the labels, of a head's `predictions`."""
        raise NotImplementedError

    def decode(self, task, decided):
        """Decisions as people read them: array `(n,)`."""
        raise NotImplementedError

    def row_terms(self, labels, decided):
        """Name of the main score, and per-row numerator and denominator `(n,)`."""
        return "accuracy", (labels == decided).astype(float), np.ones(len(labels))

    def best_constant(self, labels):
        """The one answer with the best score on these labels."""
        raise NotImplementedError

    def further_scores(self, labels, decided, prediction):
        """Other figures people ask for: dict name -> float."""
        return {}

    def slices(self, task, labels):
        """Name of each row's part `(n,)` by which scores are broken down; None leaves them whole."""
        return None

    def details(self, found):
        """What a page shows of a `TaskReport` as a whole: dict of JSON values."""
        return {}

    def ranked(self, found):
        """Places of the rows answered wrong and right, each the most confident first: two int arrays."""
        right, order = self.is_right(found), np.argsort(-self.confidence(found), kind="stable")
        return order[~right[order]], order[right[order]]

    def is_right(self, found):
        """Which rows of a `TaskReport` are answered right: bool `(n,)`."""
        return found.decided == found.labels

    def confidence(self, found):
        """The probability of each row's answer: float `(n,)`."""
        return found.prediction["probabilities"].max(axis=1)

    def example(self, found, place, answer, label):
        """One row's answer as JSON values; `answer` and `label` as from `decode`."""
        return {"answer": str(answer), "label": str(label), "probability": float(self.confidence(found)[place])}

    def columns(self, task, prediction, decided, examples, name):
        """Columns of a table of predictions.

        Args:
            task: A `Task`.
            prediction: What the head's `predictions` gave.
            decided: Decisions that were made together with other tasks; None decides here.
            examples: The `Examples` that were predicted.
            name: A function that makes a further column's name free of other tasks' titles.

        Returns:
            dict name -> array `(n,)`.
        """
        decided = self.decide(prediction) if decided is None else decided
        return {task.title: self.decode(task, decided)}

    def report(self, models, examples, task, train=None):
        """The report of a task that `reports_alone`."""
        raise NotImplementedError

    def figures(self, found, test, looked_at):
        """A run's figures of the task.

        Args:
            found: The task's report.
            test: The `Examples` that it is about.
            looked_at: Rows of `kf.explain`, or the reason why there are none.

        Returns:
            Iterable of a figure's name, and a function of the `path` that draws it.
        """
        from kerasfusion.evaluation.run_figures import label_figures

        return label_figures(found, test, looked_at)

    def score_table(self, found):
        """The task's part of `metrics.json` as a table: its header and rows, strings."""
        from kerasfusion.evaluation.score_tables import label_table

        return label_table(found)

    def result_rows(self, model, found):
        """Rows of a results table, of the task's part of `metrics.json`."""
        rows = []
        for name, score in found["scores"].items():
            keep = {key: score[key] for key in ("value", "low", "high", "n")}
            rows.append({"model": name, "metric": score["name"], **keep})
            for kind, part in found["by_kind"].get(name, {}).items():
                keep = {key: part[key] for key in ("value", "low", "high", "n")}
                rows.append({"model": name, "metric": f"{part['name']} ({kind})", **keep})
        return rows


class ClassEvaluation(TaskEvaluation):
    """Answers that are classes with probabilities, which can be calibrated."""

    def row_losses(self, labels, logits):
        """The negative log-likelihood of each row in nats: float64 `(n,)`."""
        raise NotImplementedError

    def reliability(self, labels, logits):
        """Brier score of each row, and the confidence in each answer and whether it is right."""
        raise NotImplementedError


def class_figures(task, counts, figures):
    """Support, precision, recall and F1 of each class, as JSON values."""
    return [
        {
            "name": name,
            "support": int(support),
            "decided": int(count),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
        }
        for name, count, precision, recall, f1, support in zip(task.classes, counts, *figures, strict=True)
    ]
