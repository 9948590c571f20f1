"""The evaluation layer's registry of task types: how answers are decided, scored and reported."""

from kerasfusion.evaluation.tasks.box import BoxEvaluation
from kerasfusion.evaluation.tasks.captioning import CaptioningEvaluation
from kerasfusion.evaluation.tasks.multilabel import MultilabelEvaluation
from kerasfusion.evaluation.tasks.one_class import BinaryEvaluation, MulticlassEvaluation
from kerasfusion.evaluation.tasks.ordinal import OrdinalEvaluation
from kerasfusion.evaluation.tasks.regression import EmbeddingEvaluation, RegressionEvaluation
from kerasfusion.evaluation.tasks.retrieval import RetrievalEvaluation
from kerasfusion.evaluation.tasks.segments import SegmentsEvaluation

TASKS = {
    "binary": BinaryEvaluation(),
    "multiclass": MulticlassEvaluation(),
    "multilabel": MultilabelEvaluation(),
    "regression": RegressionEvaluation(),
    "ordinal": OrdinalEvaluation(),
    "box": BoxEvaluation(),
    "captioning": CaptioningEvaluation(),
    "retrieval": RetrievalEvaluation(),
    "embedding_regression": EmbeddingEvaluation(),
    "segments": SegmentsEvaluation(),
}
