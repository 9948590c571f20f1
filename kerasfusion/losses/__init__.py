"""Losses in neutral ops, each usable alone."""

from kerasfusion.losses.cosine_margin import CosineMargin
from kerasfusion.losses.info_nce import InfoNCE
from kerasfusion.losses.scaled_squared_error import ScaledSquaredError
from kerasfusion.losses.siglip import SigLIP
from kerasfusion.losses.triplet import Triplet

__all__ = ["CosineMargin", "InfoNCE", "ScaledSquaredError", "SigLIP", "Triplet"]
