"""Functional-API builders: encoders + fusion + heads -> `keras.Model`, dict in, dict out."""

from kerasfusion.models.autoencoder import autoencoder
from kerasfusion.models.caption_trainer import CaptionTrainer, captioning
from kerasfusion.models.captioner import CaptionerParts, captioner
from kerasfusion.models.contrastive_trainer import ContrastiveTrainer, contrastive
from kerasfusion.models.dual import dual_encoder, get_tower
from kerasfusion.models.fusion import fusion_model
from kerasfusion.models.gan import discriminator, generator
from kerasfusion.models.heads import get_heads
from kerasfusion.models.image_major import ImageMajor, image_major
from kerasfusion.models.inputs import make_inputs
from kerasfusion.models.late import LateAverage, late_average
from kerasfusion.models.unimodal import unimodal

__all__ = [
    "CaptionTrainer",
    "CaptionerParts",
    "ContrastiveTrainer",
    "ImageMajor",
    "LateAverage",
    "autoencoder",
    "captioner",
    "captioning",
    "contrastive",
    "discriminator",
    "dual_encoder",
    "fusion_model",
    "generator",
    "get_heads",
    "get_tower",
    "image_major",
    "late_average",
    "make_inputs",
    "unimodal",
]
