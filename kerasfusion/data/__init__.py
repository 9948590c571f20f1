"""Where examples come from: tables, TFDS and the shapes world, as `tf.data` of named dicts."""

import importlib

from kerasfusion.lazy import load_if_eager
from kerasfusion.names import safe_names  # noqa: F401

_HOMES = {
    "BatchedDataset": "pipeline",
    "ColumnRoles": "column_roles",
    "Data": "dataset",
    "DataError": "errors",
    "Examples": "examples",
    "ImageStore": "image_store",
    "InteractionBatches": "interaction_batches",
    "choose_augmentation": "augmentation_choice",
    "concatenate": "examples",
    "example": "preset_example",
    "load": "loading",
    "load_rows": "row_loading",
    "mentions_class": "label_leakage",
    "read_interactions": "interactions",
    "read_tfds": "tfds_source",
    "retokenize": "retokenizing",
    "sliding_windows": "windows",
    "split_by_time": "interactions",
    "wav_bytes": "wav_writing",
}

__all__ = sorted([*_HOMES, "safe_names"])


def __getattr__(name):
    # Loaded when first used: reading a table or a schema must not wait for TensorFlow.
    if name in _HOMES:
        return getattr(importlib.import_module(f"kerasfusion.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kerasfusion.data' has no attribute {name!r}")


load_if_eager(__name__)
