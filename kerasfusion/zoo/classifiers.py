"""Dual-branch classifiers for a table of pictures and sentences, one per pooled fusion."""

import kerasfusion as kf
from kerasfusion.zoo.registry import register_model


def _classifier(schema, name, changes, **settings):
    settings = {
        "text_encoder": "average",
        "image_encoder": "residual_cnn",
        "units": 128,
        "dropout": 0.2,
        **settings,
    }
    return kf.models.fused(schema, **{**settings, "name": name, **changes})


@register_model(source="article 000, section 5.2")
def classifier_concat(schema, **changes):
    """Word vectors and a residual CNN, concatenated."""
    return _classifier(schema, "classifier_concat", changes, fusion="concat")


@register_model(source="article 001, section 3")
def classifier_lstm(schema, **changes):
    """LSTM and the articles' small CNN, concatenated."""
    return _classifier(
        schema, "classifier_lstm", changes, text_encoder="lstm", image_encoder="small_cnn", fusion="concat"
    )


@register_model(source="")
def classifier_sum(schema, **changes):
    """Word vectors and a residual CNN, added."""
    return _classifier(schema, "classifier_sum", changes, fusion="sum")


@register_model(source="arXiv 1610.04325")
def classifier_multiply(schema, **changes):
    """Word vectors and a residual CNN, multiplied (MLB)."""
    return _classifier(schema, "classifier_multiply", changes, fusion="multiply")


@register_model(source="arXiv 1702.01992")
def classifier_gated(schema, **changes):
    """Word vectors and a residual CNN, weighed by learned gates (GMU)."""
    return _classifier(schema, "classifier_gated", changes, fusion="gated")


@register_model(source="arXiv 1709.07871")
def classifier_film(schema, **changes):
    """Word vectors steer the channels of a residual CNN's grid (FiLM)."""
    return _classifier(schema, "classifier_film", changes, fusion={"name": "film", "filters": 64})
