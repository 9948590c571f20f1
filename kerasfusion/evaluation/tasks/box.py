"""Boxes in images."""

import numpy as np

from kerasfusion.evaluation.boxes import box_iou
from kerasfusion.evaluation.tasks.base import TaskEvaluation

# Overlap from which a box counts as found.
FOUND = 0.5


class BoxEvaluation(TaskEvaluation):
    """Share of boxes whose intersection over union with the label is at least one half."""

    def decide(self, prediction):
        return prediction["value"]

    def decode(self, task, decided):
        return np.array([", ".join(f"{side:.3f}" for side in box) for box in decided], object)

    def row_terms(self, labels, decided):
        return "accuracy_iou50", (box_iou(labels, decided) >= FOUND).astype(float), np.ones(len(labels))

    def best_constant(self, labels):
        return np.median(labels, axis=0).astype("float32")

    def further_scores(self, labels, decided, prediction):
        return {"mean_iou": float(box_iou(labels, decided).mean())}

    def details(self, found):
        counts, edges = np.histogram(box_iou(found.labels, found.decided), np.linspace(0, 1, 11))
        return {"overlaps": {"edges": edges.tolist(), "counts": counts.tolist()}}

    def is_right(self, found):
        return box_iou(found.labels, found.decided) >= FOUND

    def confidence(self, found):
        return found.prediction["score"]

    def columns(self, task, prediction, decided, examples, name):
        boxes = super().columns(task, prediction, decided, examples, name)
        return boxes | {name(f"{task.title}_score"): prediction["score"]}
