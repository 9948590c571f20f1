"""Export, verification and the loader that TensorFlow Serving uses."""

import importlib

from kerasfusion.lazy import load_if_eager

# Loaded when first used: verification runs in a process that must never import TensorFlow or Keras.
_HOMES = {
    "CApiSession": "capi",
    "ServerLimits": "server_limits",
    "ServingError": "errors",
    "LiteModel": "lite_model",
    "LitePredictor": "lite",
    "OnnxModel": "onnx_model",
    "measure_latency": "latency",
    "export_model": "exporting",
    "serve": "http_server",
    "write_recommender": "recommender",
    "write_serving_config": "serving_config",
    "VerifyReport": "verify_report",
    "VersionsReport": "verify_report",
    "verify": "verifying",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"kerasfusion.serving.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kerasfusion.serving' has no attribute {name!r}")


load_if_eager(__name__)
