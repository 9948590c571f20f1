"""What a table gets when no model is named: see "What the default is and why" in the guide's page on models."""

from kerasfusion.zoo.builders import fusion_model
from kerasfusion.zoo.registry import register_model
from kerasfusion.zoo.vqa import vqa_film


@register_model(inputs=("text",), source="arXiv 1606.07792")
def wide_deep(schema, **changes):
    """Averaged words, a residual CNN for images, and a linear model of word n-grams beside them."""
    settings = {
        "text_encoder": {"name": "average", "embedding_dim": 32, "dropout": 0.5},
        "image_encoder": "residual_cnn",
        "fusion": "concat",
        "units": 64,
        "dropout": 0.5,
        "wide": 2,
        "linear": 2,
        "label_smoothing": 0.1,
        "name": "wide_deep",
    }
    return fusion_model(schema, **{**settings, **changes})


@register_model(source="arXiv 1709.07871, 1606.07792")
def wide_film(schema, **changes):
    """GRU that modulates a strided CNN's feature map (FiLM), and a linear model of word n-grams beside it."""
    settings = {"dropout": 0.2, "wide": 2, "linear": 2, "label_smoothing": 0.1, "name": "wide_film"}
    return vqa_film(schema, **{**settings, **changes})


# What the frozen networks were trained on: their own tokens, and images of this side.
_TOKENS, _SIZE = {"tokenizer": "minilm"}, {"image_size": 224}
_TEXT = {"name": "minilm", "global_pool": True}
_IMAGE = {"name": "efficientnet_lite0", "global_pool": True}
_HEAD = {"units": 256, "dropout": 0.4, "label_smoothing": 0.1, "linear": 2}


@register_model(source="arXiv 2002.10957, 1905.11946, 1610.04325", load={**_TOKENS, **_SIZE})
def pretrained_multiply(schema, **changes):
    """Frozen MiniLM + frozen EfficientNet-Lite0 with a product of projections (MLB)."""
    settings = {"text_encoder": _TEXT, "image_encoder": _IMAGE, "fusion": "multiply", "name": "pretrained_multiply"}
    return fusion_model(schema, **{**_HEAD, **settings, **changes})


@register_model(source="arXiv 1905.11946, 1606.07792", load=_SIZE)
def pretrained_wide(schema, **changes):
    """Averaged words, a linear model of n-grams and frozen EfficientNet-Lite0: for texts that MiniLM cannot read."""
    text = {"name": "average", "embedding_dim": 32, "dropout": 0.5}
    settings = {"text_encoder": text, "image_encoder": _IMAGE, "fusion": "concat", "name": "pretrained_wide"}
    return fusion_model(schema, **{**_HEAD, "wide": 2, **settings, **changes})


@register_model(inputs=(), source="arXiv 2002.10957, 1905.11946, 1610.04325", load={**_TOKENS, **_SIZE})
def pretrained_mixed(schema, **changes):
    """Frozen MiniLM or EfficientNet-Lite0 with encoders of other inputs, and a product of projections."""
    settings = {"text_encoder": _TEXT, "image_encoder": _IMAGE, "fusion": "multiply", "name": "pretrained_mixed"}
    return fusion_model(schema, **{**_HEAD, **settings, **changes})


@register_model(inputs=("text",), source="arXiv 2002.10957", load=_TOKENS)
def pretrained_text(schema, **changes):
    """Frozen MiniLM with a dense layer."""
    settings = {"text_encoder": _TEXT, "fusion": "concat", "name": "pretrained_text"}
    return fusion_model(schema.only("text"), **{**_HEAD, **settings, **changes})


@register_model(inputs=("image",), source="arXiv 1905.11946", load=_SIZE)
def pretrained_image(schema, **changes):
    """Frozen EfficientNet-Lite0 with a dense layer."""
    settings = {"image_encoder": _IMAGE, "fusion": "concat", "name": "pretrained_image"}
    return fusion_model(schema.only("image"), **{**_HEAD, **settings, **changes})
