"""The serving layer's registry of task types."""

from kerasfusion.serving.tasks.base import ServedTask
from kerasfusion.serving.tasks.box import ServedBox
from kerasfusion.serving.tasks.multilabel import ServedMultilabel
from kerasfusion.serving.tasks.ordinal import ServedOrdinal
from kerasfusion.serving.tasks.own_signatures import ServedCaptioning, ServedRetrieval
from kerasfusion.serving.tasks.segments import ServedSegments

TASKS = {
    "binary": ServedTask(),
    "multiclass": ServedTask(),
    "multilabel": ServedMultilabel(),
    "regression": ServedTask(),
    "ordinal": ServedOrdinal(),
    "box": ServedBox(),
    "captioning": ServedCaptioning(),
    "retrieval": ServedRetrieval(),
    "embedding_regression": ServedTask(),
    "segments": ServedSegments(),
}
