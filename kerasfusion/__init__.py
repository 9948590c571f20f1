"""kerasfusion: a Keras 3 model zoo that joins text and images.

Everything is reached from here and loaded when first used, so that `import kerasfusion` (and the command line's
`--help`) does not wait for TensorFlow.

    import kerasfusion as kf
    data = kf.data.load("pets.csv", image="photo", text="description", label="species")
    run = kf.train(data, model="classifier_gated", output_dir="runs/pets")
    kf.export(run, "saved_models/pets")
"""

import importlib

from kerasfusion.lazy import load_if_eager

__version__ = "0.2.0"

_PACKAGES = (
    "data",
    "decoders",
    "encoders",
    "evaluation",
    "explain",
    "factorization",
    "fusion",
    "heads",
    "layers",
    "losses",
    "models",
    "preprocessing",
    "pretrained",
    "reasoning",
    "workflows",
    "serving",
    "training",
    "transfer",
    "zoo",
)
_FUNCTIONS = {
    "Feature": "kerasfusion.schema",
    "Schema": "kerasfusion.schema",
    "Task": "kerasfusion.schema",
    "create_model": "kerasfusion.zoo",
    "list_models": "kerasfusion.zoo",
    "list_presets": "kerasfusion.presets",
    "from_preset": "kerasfusion.training",
    "register_model": "kerasfusion.zoo",
    "train": "kerasfusion.workflows",
    "compare": "kerasfusion.workflows",
    "tune": "kerasfusion.workflows",
    "evaluate": "kerasfusion.workflows",
    "robustness": "kerasfusion.workflows",
    "load": "kerasfusion.training",
    "export": "kerasfusion.workflows",
    "export_search_index": "kerasfusion.workflows",
    "verify": "kerasfusion.serving",
}

__all__ = ["__version__", *_PACKAGES, *_FUNCTIONS]


def __getattr__(name):
    if name in _PACKAGES:
        return importlib.import_module(f"kerasfusion.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'kerasfusion' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


load_if_eager(__name__)
