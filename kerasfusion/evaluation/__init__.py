"""Scores with intervals, baselines, images."""

from kerasfusion.evaluation.bag_of_words import BagOfWords
from kerasfusion.evaluation.boosted_columns import BoostedColumns
from kerasfusion.evaluation.boxes import average_precision, box_iou
from kerasfusion.evaluation.calibration import calibrate, calibration_scores, fit_temperature
from kerasfusion.evaluation.caption_report import CaptionReport
from kerasfusion.evaluation.caption_scores import CaptionScores, score_captions
from kerasfusion.evaluation.captions import generate_captions
from kerasfusion.evaluation.comparison import ModelComparison, TaskComparison, compare_predictions
from kerasfusion.evaluation.embedding import embed_images, embed_texts
from kerasfusion.evaluation.html_report import (
    save_report,
    write_comparison_page,
    write_evaluation_page,
    write_robustness_page,
    write_run_report,
)
from kerasfusion.evaluation.predict import (
    decode_predictions,
    postprocess,
    predict_classes,
    predict_logits,
    predict_rows,
)
from kerasfusion.evaluation.ranking import RankingScores, ranking_difference, score_ranking
from kerasfusion.evaluation.report import TaskReport, evaluate_models
from kerasfusion.evaluation.reranking import RerankingResult, rerank
from kerasfusion.evaluation.results import append_results, comparison_rows, score_rows
from kerasfusion.evaluation.retrieval_report import MatchReport
from kerasfusion.evaluation.robustness import Robustness, robustness_curves
from kerasfusion.evaluation.scores import Score, score_predictions
from kerasfusion.evaluation.segments import choose_segments, rank_correlations, summary_f1
from kerasfusion.evaluation.signal_statistics import SignalStatistics
from kerasfusion.evaluation.vectors import predict_vectors
from kerasfusion.evaluation.verification import VerificationScores, score_verification, verification_difference

__all__ = [
    "BagOfWords",
    "BoostedColumns",
    "CaptionReport",
    "CaptionScores",
    "MatchReport",
    "ModelComparison",
    "RankingScores",
    "RerankingResult",
    "Robustness",
    "Score",
    "SignalStatistics",
    "TaskComparison",
    "TaskReport",
    "VerificationScores",
    "append_results",
    "average_precision",
    "box_iou",
    "calibrate",
    "calibration_scores",
    "choose_segments",
    "compare_predictions",
    "comparison_rows",
    "decode_predictions",
    "embed_images",
    "embed_texts",
    "evaluate_models",
    "fit_temperature",
    "generate_captions",
    "postprocess",
    "predict_classes",
    "predict_logits",
    "predict_rows",
    "predict_vectors",
    "rank_correlations",
    "ranking_difference",
    "rerank",
    "robustness_curves",
    "save_report",
    "score_captions",
    "score_predictions",
    "score_ranking",
    "score_rows",
    "score_verification",
    "summary_f1",
    "verification_difference",
    "write_comparison_page",
    "write_evaluation_page",
    "write_robustness_page",
    "write_run_report",
]
