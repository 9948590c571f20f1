"""The heads' registry of task types: the head of a `Task`."""

from kerasfusion.heads.binary import BinaryHead
from kerasfusion.heads.box import BoxHead
from kerasfusion.heads.multiclass import MulticlassHead
from kerasfusion.heads.multilabel import MultiLabelHead
from kerasfusion.heads.ordinal import OrdinalHead
from kerasfusion.heads.regression import RegressionHead
from kerasfusion.heads.segments import SegmentsHead


def _of_classes(head):
    return lambda task, **settings: head(task.outputs, **settings)


def _of_numbers(task, **settings):
    return RegressionHead(mean=task.mean, std=task.std, outputs=task.outputs, **settings)


def _box(task, **settings):
    return BoxHead(**settings)


def _captioning(task, **settings):
    raise ValueError("A caption is written token by token: choose a captioner (kf.models.captioner).")


def _retrieval(task, **settings):
    raise ValueError("Retrieval compares two embeddings: choose a dual encoder (kf.models.dual_encoder).")


TASKS = {
    "binary": _of_classes(BinaryHead),
    "multiclass": _of_classes(MulticlassHead),
    "multilabel": _of_classes(MultiLabelHead),
    "regression": _of_numbers,
    "ordinal": _of_classes(OrdinalHead),
    "box": _box,
    "captioning": _captioning,
    "retrieval": _retrieval,
    "embedding_regression": _of_numbers,
    "segments": _of_classes(SegmentsHead),
}


def build_head(task, label_smoothing=0.0):
    """The head of a `Task` of a schema, named `head_<task>`.

    Args:
        task: A `Task`.
        label_smoothing: float in [0, 1), for a multiclass task; others are not affected. Defaults to 0.
    """
    settings = {"label_smoothing": label_smoothing} if task.type == "multiclass" else {}
    return TASKS[task.type](task, name=f"head_{task.name}", **settings)
