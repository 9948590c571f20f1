"""Image captioning models."""

from kerasfusion.zoo.builders import captioner
from kerasfusion.zoo.registry import register_model

# Cells that know where they are: a caption says what is on the left.
_IMAGE = {"name": "residual_cnn", "filters": (32, 64, 128), "coordinates": True}


def _captioner(schema, name, changes, **settings):
    settings = {"image_encoder": _IMAGE, "dropout": 0.1, "name": name, **settings}
    return captioner(schema, **{**settings, **changes})


@register_model(inputs=("image",), source="article 004, section 3; arXiv 1411.4555", task="captioning")
def caption_lstm(schema, **changes):
    """LSTM decoder on one image vector (Show and Tell)."""
    return _captioner(schema.only("image"), "caption_lstm", changes, decoder="lstm")


@register_model(inputs=("image",), source="article 004, section 3", task="captioning")
def caption_gru(schema, **changes):
    """GRU decoder on one image vector."""
    return _captioner(schema.only("image"), "caption_gru", changes, decoder="gru")


@register_model(inputs=("image",), source="arXiv 1502.03044", task="captioning")
def caption_attend(schema, **changes):
    """LSTM decoder with attention over image cells (Show, Attend and Tell)."""
    return _captioner(schema.only("image"), "caption_attend", changes, decoder="attention_lstm")


@register_model(inputs=("image",), source="article 002, section 3.2", task="captioning")
def fusion_transformer(schema, **changes):
    """Joint self-attention encoder over image and optional text tokens, with a transformer decoder."""
    return _captioner(schema, "fusion_transformer", changes, decoder="transformer", num_layers=2)
