"""Fusion layers: several modalities to one representation `(B, d)`."""

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.concat import ConcatFusion
from kerasfusion.fusion.elementwise import MultiplyFusion, SumFusion
from kerasfusion.fusion.film import FiLMFusion
from kerasfusion.fusion.gated import GatedFusion

FUSIONS = {
    "concat": ConcatFusion,
    "film": FiLMFusion,
    "gated": GatedFusion,
    "multiply": MultiplyFusion,
    "sum": SumFusion,
}

__all__ = [
    "FUSIONS",
    "ConcatFusion",
    "FiLMFusion",
    "Fusion",
    "GatedFusion",
    "MultiplyFusion",
    "SumFusion",
]
