"""Model classes of named parts, builders by name, and wrappers to train them: dict in, dict out."""

from kerasfusion.models.autoencoder import Autoencoder, autoencoder
from kerasfusion.models.caption_trainer import CaptionTrainer, captioning
from kerasfusion.models.captioner import Captioner, as_captioner, captioner
from kerasfusion.models.contrastive_trainer import ContrastiveTrainer, contrastive
from kerasfusion.models.dual import DualEncoder, dual_encoder, get_tower
from kerasfusion.models.encoded_model import EncodedModel
from kerasfusion.models.factor_recommender import FactorRecommender
from kerasfusion.models.fusion import FusionModel, fusion_model
from kerasfusion.models.gan import Discriminator, Generator, discriminator, generator
from kerasfusion.models.grounding import detector, grounder
from kerasfusion.models.heads import get_heads
from kerasfusion.models.image_major import ImageMajor, image_major
from kerasfusion.models.inputs import make_inputs
from kerasfusion.models.late import LateAverage, LateAverageModel, late_average
from kerasfusion.models.lightgcn import LightGCN
from kerasfusion.models.parts import PartsModel, copy_weights, rebuild
from kerasfusion.models.tag_reading import TagReadingModel
from kerasfusion.models.training_wrapper import TrainingWrapper, plain_model
from kerasfusion.models.two_tower import TwoTower
from kerasfusion.models.unimodal import unimodal
from kerasfusion.models.vbpr import VBPR

__all__ = [
    "VBPR",
    "Autoencoder",
    "CaptionTrainer",
    "Captioner",
    "ContrastiveTrainer",
    "Discriminator",
    "DualEncoder",
    "EncodedModel",
    "FactorRecommender",
    "FusionModel",
    "Generator",
    "ImageMajor",
    "LateAverage",
    "LateAverageModel",
    "LightGCN",
    "PartsModel",
    "TagReadingModel",
    "TrainingWrapper",
    "TwoTower",
    "as_captioner",
    "autoencoder",
    "captioner",
    "captioning",
    "contrastive",
    "copy_weights",
    "detector",
    "discriminator",
    "dual_encoder",
    "fusion_model",
    "generator",
    "get_heads",
    "get_tower",
    "grounder",
    "image_major",
    "late_average",
    "make_inputs",
    "plain_model",
    "rebuild",
    "unimodal",
]
