"""Whole jobs that may build models."""

from kerasfusion.recipes.demo import ask_export, demo_recipe
from kerasfusion.recipes.evaluate import evaluate
from kerasfusion.recipes.export import export, losses_of, measure_export
from kerasfusion.recipes.predict import predict_one, predict_table
from kerasfusion.recipes.reload import reload_data
from kerasfusion.recipes.train import default_model, train

__all__ = [
    "ask_export",
    "default_model",
    "demo_recipe",
    "evaluate",
    "export",
    "losses_of",
    "measure_export",
    "predict_one",
    "predict_table",
    "reload_data",
    "train",
]
