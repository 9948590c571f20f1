"""Layers that encoders, decoders, fusions and models share."""

from kerasfusion.layers.adapter import Adapter
from kerasfusion.layers.batch_renorm import BatchRenormalization
from kerasfusion.layers.bilinear_knowledge import BilinearKnowledge
from kerasfusion.layers.coordinates import append_coordinates
from kerasfusion.layers.frozen_model import FrozenModel
from kerasfusion.layers.gaussian_latent import GaussianLatent
from kerasfusion.layers.graph_propagation import GraphPropagation
from kerasfusion.layers.image_decoder import ImageDecoder
from kerasfusion.layers.linear_path import LinearPath
from kerasfusion.layers.log_mel_spectrogram import LogMelSpectrogram
from kerasfusion.layers.modality_imputer import ModalityImputer
from kerasfusion.layers.ngram_linear import NGramLinear
from kerasfusion.layers.region_pooling import RegionPooling
from kerasfusion.layers.tag_token_appender import TagTokenAppender
from kerasfusion.layers.temporal_statistics import TemporalStatistics
from kerasfusion.layers.token_dropout import TokenDropout
from kerasfusion.layers.transformer import TransformerBlock

__all__ = [
    "Adapter",
    "BatchRenormalization",
    "BilinearKnowledge",
    "FrozenModel",
    "GaussianLatent",
    "GraphPropagation",
    "ImageDecoder",
    "LinearPath",
    "LogMelSpectrogram",
    "ModalityImputer",
    "NGramLinear",
    "RegionPooling",
    "TagTokenAppender",
    "TemporalStatistics",
    "TokenDropout",
    "TransformerBlock",
    "append_coordinates",
]
