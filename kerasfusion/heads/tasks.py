"""The heads' registry of task types: the head of a `Task`."""

from kerasfusion.heads.binary import BinaryHead
from kerasfusion.heads.multiclass import MulticlassHead
from kerasfusion.heads.multilabel import MultiLabelHead
from kerasfusion.heads.ordinal import OrdinalHead
from kerasfusion.heads.regression import RegressionHead


def _of_classes(head):
    return lambda task, name: head(task.outputs, name=name)


def _of_numbers(task, name):
    return RegressionHead(mean=task.mean, std=task.std, outputs=task.outputs, name=name)


def _captioning(task, name):
    raise ValueError("A caption is written token by token: choose a captioner (kf.models.captioner).")


def _retrieval(task, name):
    raise ValueError("Retrieval compares two embeddings: choose a dual encoder (kf.models.dual_encoder).")


TASKS = {
    "binary": _of_classes(BinaryHead),
    "multiclass": _of_classes(MulticlassHead),
    "multilabel": _of_classes(MultiLabelHead),
    "regression": _of_numbers,
    "ordinal": _of_classes(OrdinalHead),
    "captioning": _captioning,
    "retrieval": _retrieval,
    "embedding_regression": _of_numbers,
}


def build_head(task):
    """The head of a `Task` of a schema, named `head_<task>`."""
    return TASKS[task.type](task, f"head_{task.name}")
