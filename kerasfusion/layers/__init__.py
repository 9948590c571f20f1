"""Layers, and what layers do, that both encoders and fusions are made of."""

from kerasfusion.layers.coordinates import append_coordinates
from kerasfusion.layers.transformer import TransformerBlock

__all__ = ["TransformerBlock", "append_coordinates"]
