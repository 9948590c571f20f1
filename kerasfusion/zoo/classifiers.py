"""Dual-branch classifiers for a table of images and sentences: one per fusion, and one per pair of encoders."""

from kerasfusion.zoo.builders import fusion_model
from kerasfusion.zoo.registry import register_model


def _classifier(schema, name, changes, **settings):
    settings = {
        "text_encoder": "average",
        "image_encoder": "residual_cnn",
        "units": 128,
        "dropout": 0.2,
        **settings,
    }
    return fusion_model(schema, **{**settings, "name": name, **changes})


@register_model(source="article 000, section 5.2")
def classifier_concat(schema, **changes):
    """Averaged word embeddings + residual CNN with concatenation."""
    return _classifier(schema, "classifier_concat", changes, fusion="concat")


@register_model(source="article 001, section 3")
def classifier_lstm(schema, **changes):
    """LSTM + the articles' small CNN with concatenation."""
    return _classifier(
        schema, "classifier_lstm", changes, text_encoder="lstm", image_encoder="small_cnn", fusion="concat"
    )


@register_model(source="")
def classifier_sum(schema, **changes):
    """Averaged word embeddings + residual CNN with a sum of projections."""
    return _classifier(schema, "classifier_sum", changes, fusion="sum")


@register_model(source="arXiv 1610.04325")
def classifier_multiply(schema, **changes):
    """Averaged word embeddings + residual CNN with a product of projections (MLB)."""
    return _classifier(schema, "classifier_multiply", changes, fusion="multiply")


@register_model(source="arXiv 1702.01992")
def classifier_gated(schema, **changes):
    """Averaged word embeddings + residual CNN with gated fusion (GMU)."""
    return _classifier(schema, "classifier_gated", changes, fusion="gated")


@register_model(source="arXiv 1709.07871")
def classifier_film(schema, **changes):
    """Averaged word embeddings that modulate a residual CNN's feature map (FiLM)."""
    return _classifier(schema, "classifier_film", changes, fusion={"name": "film", "filters": 64})


@register_model(source="arXiv 1408.5882")
def classifier_text_cnn(schema, **changes):
    """Text CNN + the articles' small CNN with concatenation."""
    return _classifier(
        schema, "classifier_text_cnn", changes, text_encoder="text_cnn", image_encoder="small_cnn", fusion="concat"
    )


@register_model(source="")
def classifier_bigru(schema, **changes):
    """Bidirectional GRU + the articles' small CNN with gated fusion (GMU)."""
    return _classifier(
        schema, "classifier_bigru", changes, text_encoder="bigru", image_encoder="small_cnn", fusion="gated"
    )


@register_model(source="article 001, section 3")
def classifier_row_rnn(schema, **changes):
    """LSTM over tokens + LSTM over image rows with concatenation."""
    return _classifier(
        schema, "classifier_row_rnn", changes, text_encoder="lstm", image_encoder="row_rnn", fusion="concat"
    )


@register_model(source="arXiv 1706.03762, 2010.11929")
def classifier_transformer(schema, **changes):
    """Text transformer + vision transformer with concatenation."""
    settings = {
        "text_encoder": {"name": "transformer", "num_layers": 1},
        "image_encoder": {"name": "vit", "num_layers": 2},
    }
    return _classifier(schema, "classifier_transformer", changes, **settings, fusion="concat")


@register_model(source="arXiv 1801.04381")
def classifier_mobilenet(schema, **changes):
    """Averaged word embeddings + MobileNetV2 with gated fusion; pretrained image weights stay frozen.

    Without weights all of it learns from a random start. `image_encoder={"name": "mobilenet_v2", "alpha": 0.35,
    "weights": "imagenet"}` or a file in place of that name makes it a frozen feature extractor.
    """
    image = {"name": "mobilenet_v2", "alpha": 0.35}
    return _classifier(schema, "classifier_mobilenet", changes, image_encoder=image, fusion="gated")


@register_model(inputs=(), source="arXiv 1702.01992")
def mixed_gated(schema, **changes):
    """One encoder per input of any kind, gated fusion (GMU), and a linear model beside it."""
    return _classifier(schema, "mixed_gated", changes, fusion="gated", linear=2)
