"""Where examples come from: tables, TFDS and the shapes world, as `tf.data` of named dicts."""

import importlib

_HOMES = {
    "Batches": "pipeline",
    "Columns": "infer",
    "Data": "loading",
    "DataError": "errors",
    "Examples": "examples",
    "Feature": "schema",
    "ImageBank": "image_bank",
    "Schema": "schema",
    "Task": "schema",
    "augmentation_for": "augmentation",
    "join": "examples",
    "load": "loading",
    "load_rows": "loading",
    "names_class": "leaks",
    "safe_names": "names",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    # Loaded when first used: reading a table or a schema must not wait for TensorFlow.
    if name in _HOMES:
        return getattr(importlib.import_module(f"kerasfusion.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kerasfusion.data' has no attribute {name!r}")
