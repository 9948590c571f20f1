"""Whole jobs that may build models."""

from kerasfusion.recipes.compare import Comparison, compare
from kerasfusion.recipes.context import with_context
from kerasfusion.recipes.demo import ask_export, demo_recipe
from kerasfusion.recipes.evaluate import evaluate
from kerasfusion.recipes.export import export, losses_of, measure_export
from kerasfusion.recipes.faiss_index import faiss_index
from kerasfusion.recipes.index import index
from kerasfusion.recipes.pairs import mine_pairs
from kerasfusion.recipes.predict import predict_one, predict_table, predictions_csv
from kerasfusion.recipes.recommender import export_recommender, train_tower
from kerasfusion.recipes.reload import load_baselines, reload_data
from kerasfusion.recipes.report import rebuild_report
from kerasfusion.recipes.robustness import robustness
from kerasfusion.recipes.train import default_model, train
from kerasfusion.recipes.tune import TUNE_CHOICES, Search, tune

__all__ = [
    "TUNE_CHOICES",
    "Comparison",
    "Search",
    "ask_export",
    "compare",
    "default_model",
    "demo_recipe",
    "evaluate",
    "export",
    "export_recommender",
    "faiss_index",
    "index",
    "load_baselines",
    "losses_of",
    "measure_export",
    "mine_pairs",
    "predict_one",
    "predict_table",
    "predictions_csv",
    "rebuild_report",
    "reload_data",
    "robustness",
    "train",
    "train_tower",
    "tune",
    "with_context",
]
