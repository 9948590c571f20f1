"""Functional-API builders: encoders + fusion + heads -> `keras.Model`, dict in, dict out."""

from kerasfusion.models.autoencoder import autoencoder
from kerasfusion.models.captioner import CaptionerParts, captioner
from kerasfusion.models.captioning import Captioning, captioning
from kerasfusion.models.contrastive import Contrastive, contrastive
from kerasfusion.models.dual import dual_branch, dual_encoder
from kerasfusion.models.fused import fused
from kerasfusion.models.gan import discriminator, generator
from kerasfusion.models.heads_of import heads_of
from kerasfusion.models.image_major import ImageMajor, image_major
from kerasfusion.models.inputs import model_inputs
from kerasfusion.models.late import LateAverage, late_average
from kerasfusion.models.unimodal import unimodal

__all__ = [
    "CaptionerParts",
    "Captioning",
    "Contrastive",
    "ImageMajor",
    "LateAverage",
    "autoencoder",
    "captioner",
    "captioning",
    "contrastive",
    "discriminator",
    "dual_branch",
    "dual_encoder",
    "fused",
    "generator",
    "heads_of",
    "image_major",
    "late_average",
    "model_inputs",
    "unimodal",
]
