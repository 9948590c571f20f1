"""Visual question answering: the question decides what to look for."""

import kerasfusion as kf
from kerasfusion.zoo.registry import register_model


@register_model(source="arXiv 1709.07871")
def vqa_film(schema, **changes):
    """GRU question steers a strided CNN's grid, cell by cell (FiLM)."""
    settings = {
        "text_encoder": "gru",
        "image_encoder": {"name": "residual_cnn", "filters": (24, 48, 64), "blocks": 0},
        "fusion": {"name": "film", "filters": 48, "blocks": 1},
        "units": 64,
        "name": "vqa_film",
    }
    return kf.models.fused(schema, **{**settings, **changes})


@register_model(source="arXiv 1610.04325")
def vqa_multiply(schema, **changes):
    """Bag of words times a small CNN's vector: the plain network of the easy-VQA data set."""
    settings = {
        "text_encoder": "bag_of_words",
        "image_encoder": {"name": "small_cnn", "filters": (8, 16), "flatten": True},
        "fusion": "multiply",
        "units": 32,
        "name": "vqa_multiply",
    }
    return kf.models.fused(schema, **{**settings, **changes})
