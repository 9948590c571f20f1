"""Scores with intervals, baselines, pictures."""

from kerasfusion.evaluation.page import save_page, write_evaluation_page, write_page
from kerasfusion.evaluation.predict import decide, names, predict_logits, predict_rows, predictions
from kerasfusion.evaluation.report import TaskReport, report
from kerasfusion.evaluation.results import record, score_rows
from kerasfusion.evaluation.scores import Score, score

__all__ = [
    "Score",
    "TaskReport",
    "decide",
    "names",
    "predict_logits",
    "predict_rows",
    "predictions",
    "record",
    "report",
    "save_page",
    "score",
    "score_rows",
    "write_evaluation_page",
    "write_page",
]
