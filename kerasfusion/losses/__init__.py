"""Losses in neutral ops, each usable alone."""

from kerasfusion.losses.caption_cross_entropy import CaptionCrossEntropy
from kerasfusion.losses.context_distance import ContextDistance
from kerasfusion.losses.cosine_margin import CosineMargin
from kerasfusion.losses.gaussian_kl import gaussian_kl
from kerasfusion.losses.hinge import discriminator_hinge, generator_hinge
from kerasfusion.losses.info_nce import InfoNCE
from kerasfusion.losses.picture_error import PictureError
from kerasfusion.losses.scaled_squared_error import ScaledSquaredError
from kerasfusion.losses.siglip import SigLIP
from kerasfusion.losses.soft_targets import SoftTargets
from kerasfusion.losses.triplet import Triplet
from kerasfusion.losses.uncertainty import UncertaintyWeighted
from kerasfusion.losses.words_cross_entropy import WordsCrossEntropy

__all__ = [
    "CaptionCrossEntropy",
    "ContextDistance",
    "CosineMargin",
    "InfoNCE",
    "PictureError",
    "ScaledSquaredError",
    "SigLIP",
    "SoftTargets",
    "Triplet",
    "UncertaintyWeighted",
    "WordsCrossEntropy",
    "discriminator_hinge",
    "gaussian_kl",
    "generator_hinge",
]
