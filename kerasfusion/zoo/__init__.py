"""Registered names: `list_models`, `create_model`, `register_model`."""

# Importing registers them.
from kerasfusion.zoo import articles, baselines, captioning, classifiers, defaults, grounding, retrieval, tagging, vqa  # noqa: F401
from kerasfusion.zoo.registry import ModelEntry, create_model, get_entry, list_models, register_model

__all__ = ["ModelEntry", "create_model", "get_entry", "list_models", "register_model"]
