"""Layers, and what layers do, that both encoders and fusions are made of."""

from kerasfusion.layers.bilinear_knowledge import BilinearKnowledge
from kerasfusion.layers.bottleneck import Bottleneck
from kerasfusion.layers.coordinates import append_coordinates
from kerasfusion.layers.filled_in import FilledIn
from kerasfusion.layers.frozen import Frozen
from kerasfusion.layers.gaussian_code import GaussianCode
from kerasfusion.layers.picture_decoder import PictureDecoder
from kerasfusion.layers.tags_as_words import TagsAsWords
from kerasfusion.layers.transformer import TransformerBlock
from kerasfusion.layers.word_dropout import WordDropout

__all__ = [
    "BilinearKnowledge",
    "Bottleneck",
    "FilledIn",
    "Frozen",
    "GaussianCode",
    "PictureDecoder",
    "TagsAsWords",
    "TransformerBlock",
    "WordDropout",
    "append_coordinates",
]
