"""Training: configuration, `fit`, and the run it writes."""

from kerasfusion.training.adversarial import Adversarial
from kerasfusion.training.compile import compile_model
from kerasfusion.training.config import DistillationConfig, LoRAConfig, TrainingConfig
from kerasfusion.training.fit import fit, shares_images
from kerasfusion.training.linear_path import fit_linear_path
from kerasfusion.training.presets import from_preset
from kerasfusion.training.run import Run, load

__all__ = [
    "Adversarial",
    "DistillationConfig",
    "LoRAConfig",
    "Run",
    "TrainingConfig",
    "compile_model",
    "fit",
    "fit_linear_path",
    "from_preset",
    "load",
    "shares_images",
]
