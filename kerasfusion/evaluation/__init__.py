"""Scores with intervals, baselines, pictures."""

from kerasfusion.evaluation.calibration import calibrate, calibration_scores, fit_temperature
from kerasfusion.evaluation.caption_report import CaptionReport
from kerasfusion.evaluation.caption_scores import CaptionScores, score_captions
from kerasfusion.evaluation.comparison import Compared, TaskComparison, compare
from kerasfusion.evaluation.embedding import embed_pictures, embed_texts
from kerasfusion.evaluation.match_report import MatchReport
from kerasfusion.evaluation.page import (
    save_page,
    write_comparison_page,
    write_evaluation_page,
    write_page,
    write_robustness_page,
)
from kerasfusion.evaluation.predict import decide, names, predict_logits, predict_rows, predictions
from kerasfusion.evaluation.report import TaskReport, report
from kerasfusion.evaluation.reranking import Reranked, rerank
from kerasfusion.evaluation.results import comparison_rows, record, score_rows
from kerasfusion.evaluation.robustness import Robustness, robustness
from kerasfusion.evaluation.scores import Score, score

__all__ = [
    "CaptionReport",
    "CaptionScores",
    "Compared",
    "MatchReport",
    "Reranked",
    "Robustness",
    "Score",
    "TaskComparison",
    "TaskReport",
    "calibrate",
    "calibration_scores",
    "compare",
    "comparison_rows",
    "decide",
    "embed_pictures",
    "embed_texts",
    "fit_temperature",
    "names",
    "predict_logits",
    "predict_rows",
    "predictions",
    "record",
    "report",
    "rerank",
    "robustness",
    "save_page",
    "score",
    "score_captions",
    "score_rows",
    "write_comparison_page",
    "write_evaluation_page",
    "write_page",
    "write_robustness_page",
]
