"""The HTML report's registry of task types."""

from kerasfusion.evaluation.html_report.tasks.box import BoxPage
from kerasfusion.evaluation.html_report.tasks.captioning import CaptioningPage
from kerasfusion.evaluation.html_report.tasks.classes import MultilabelPage, OneClassPage, SegmentsPage
from kerasfusion.evaluation.html_report.tasks.ordinal import OrdinalPage
from kerasfusion.evaluation.html_report.tasks.regression import EmbeddingPage, RegressionPage
from kerasfusion.evaluation.html_report.tasks.retrieval import RetrievalPage

TASKS = {
    "binary": OneClassPage(),
    "multiclass": OneClassPage(),
    "multilabel": MultilabelPage(),
    "regression": RegressionPage(),
    "ordinal": OrdinalPage(),
    "box": BoxPage(),
    "captioning": CaptioningPage(),
    "retrieval": RetrievalPage(),
    "embedding_regression": EmbeddingPage(),
    "segments": SegmentsPage(),
}
