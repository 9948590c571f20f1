"""Whole jobs that may build models."""

from kerasfusion.workflows.compare import Comparison, compare
from kerasfusion.workflows.context import add_caption_embeddings
from kerasfusion.workflows.demo import (
    DEMO_CHANGES,
    DEMO_MODEL,
    demo_config,
    format_accuracy,
    query_exported_model,
)
from kerasfusion.workflows.evaluate import evaluate
from kerasfusion.workflows.export import export, format_export_metrics, measure_export
from kerasfusion.workflows.faiss_index import faiss_index
from kerasfusion.workflows.features import features
from kerasfusion.workflows.index import export_search_index
from kerasfusion.workflows.model_families import default_model
from kerasfusion.workflows.pairs import mine_hard_negatives
from kerasfusion.workflows.predict import predict, predictions_csv
from kerasfusion.workflows.pretrained_features import ImageFeatures, TextFeatures
from kerasfusion.workflows.read_for_model import read_for_model
from kerasfusion.workflows.recommender import export_recommender, train_item_tower
from kerasfusion.workflows.reload import load_baselines, load_run_data
from kerasfusion.workflows.report import rebuild_report
from kerasfusion.workflows.robustness import robustness
from kerasfusion.workflows.save_run import save_run
from kerasfusion.workflows.train import train
from kerasfusion.workflows.tune import TUNE_CHOICES, TuningResult, tune

__all__ = [
    "DEMO_CHANGES",
    "DEMO_MODEL",
    "TUNE_CHOICES",
    "Comparison",
    "ImageFeatures",
    "TextFeatures",
    "TuningResult",
    "add_caption_embeddings",
    "compare",
    "default_model",
    "demo_config",
    "evaluate",
    "export",
    "export_recommender",
    "export_search_index",
    "faiss_index",
    "features",
    "format_accuracy",
    "format_export_metrics",
    "load_baselines",
    "load_run_data",
    "measure_export",
    "mine_hard_negatives",
    "predict",
    "predictions_csv",
    "query_exported_model",
    "read_for_model",
    "rebuild_report",
    "robustness",
    "save_run",
    "train",
    "train_item_tower",
    "tune",
]
