"""Referring expressions: the box in an image that a text means."""

from kerasfusion.zoo.builders import grounder
from kerasfusion.zoo.registry import register_model


@register_model(task="grounding", source="arXiv 1803.03067, 1904.07850")
def ground_mac(schema, **changes):
    """GRU + strided CNN with steps of attention to words and cells (MAC), and a box at every cell."""
    settings = {
        "image_encoder": {"name": "residual_cnn", "filters": (24, 48, 64), "num_blocks": 0, "coordinates": True},
        "name": "ground_mac",
    }
    return grounder(schema, **{**settings, **changes})
