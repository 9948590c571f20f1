"""Whole jobs that may build models."""

from kerasfusion.recipes.demo import ask_export, demo_recipe
from kerasfusion.recipes.evaluate import evaluate
from kerasfusion.recipes.predict import predict_one, predict_table
from kerasfusion.recipes.train import default_model, train

__all__ = ["ask_export", "default_model", "demo_recipe", "evaluate", "predict_one", "predict_table", "train"]
