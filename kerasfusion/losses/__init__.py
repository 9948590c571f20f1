"""Losses in backend-neutral ops, each usable on its own."""

from kerasfusion.losses.bag_of_words_crossentropy import BagOfWordsCrossentropy
from kerasfusion.losses.bayesian_ranking import BPRLoss
from kerasfusion.losses.caption_crossentropy import CaptionCrossentropy
from kerasfusion.losses.center_point import CenterPointLoss
from kerasfusion.losses.cumulative_link import CumulativeLinkLoss
from kerasfusion.losses.distillation import DistillationLoss
from kerasfusion.losses.embedding_distance import EmbeddingDistance
from kerasfusion.losses.gaussian_kl import gaussian_kl
from kerasfusion.losses.hinge import discriminator_hinge, generator_hinge
from kerasfusion.losses.info_nce import InfoNCELoss
from kerasfusion.losses.margin_contrastive import MarginContrastiveLoss
from kerasfusion.losses.pixel_mean_squared_error import PixelMeanSquaredError
from kerasfusion.losses.sampled_softmax import SampledSoftmaxLoss
from kerasfusion.losses.scaled_squared_error import ScaledSquaredError
from kerasfusion.losses.sigmoid_contrastive import SigmoidContrastiveLoss
from kerasfusion.losses.smoothed_crossentropy import SmoothedCrossentropy
from kerasfusion.losses.triplet import TripletLoss
from kerasfusion.losses.uncertainty import UncertaintyWeighted

__all__ = [
    "BPRLoss",
    "BagOfWordsCrossentropy",
    "CaptionCrossentropy",
    "CenterPointLoss",
    "CumulativeLinkLoss",
    "DistillationLoss",
    "EmbeddingDistance",
    "InfoNCELoss",
    "MarginContrastiveLoss",
    "PixelMeanSquaredError",
    "SampledSoftmaxLoss",
    "ScaledSquaredError",
    "SigmoidContrastiveLoss",
    "SmoothedCrossentropy",
    "TripletLoss",
    "UncertaintyWeighted",
    "discriminator_hinge",
    "gaussian_kl",
    "generator_hinge",
]
