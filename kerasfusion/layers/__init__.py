"""Layers, and what layers do, that both encoders and fusions are made of."""

from kerasfusion.layers.bilinear_knowledge import BilinearKnowledge
from kerasfusion.layers.bottleneck import Bottleneck
from kerasfusion.layers.coordinates import append_coordinates
from kerasfusion.layers.transformer import TransformerBlock

__all__ = ["BilinearKnowledge", "Bottleneck", "TransformerBlock", "append_coordinates"]
