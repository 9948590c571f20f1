"""Image tagging: which of several classes, or which of many tags, an image alone shows."""

from kerasfusion.zoo.builders import fusion_model
from kerasfusion.zoo.registry import register_model


def _tagger(schema, name, changes, **settings):
    # Without a layer of its own between the image's vector and the logits.
    settings = {"fusion": {"name": "concat", "units": None}, "name": name, **settings}
    return fusion_model(schema.only("image"), **{**settings, **changes})


@register_model(inputs=("image",), source="article 001, section 4")
def article_tagging(schema, **changes):
    """The article's image tagger: three convolutions, flatten, a dense layer, logits.

    Conv2D of 32, 64 and 64 without padding, a pooling after the first and the second, flatten, a dense layer of 64.
    The article puts a softmax behind it and tells the loss that these are logits; here the head gives logits and
    owns the loss. Images need a side of 18 pixels or more.
    """
    encoder = {"name": "small_cnn", "filters": (32, 64, 64), "flatten": True, "padding": "valid", "last_pool": False}
    return _tagger(schema, "article_tagging", changes, image_encoder=encoder, units=64)


@register_model(inputs=("image",), source="arXiv 1512.03385")
def tagger_residual(schema, **changes):
    """Residual CNN for small images: no early striding, global average pooling, linear logits.

    The stem keeps the image's size, three stages halve it. Since the logits are linear in the mean over cells, its
    class activation maps are exact (arXiv 1512.04150).
    """
    encoder = {"name": "residual_cnn", "filters": (24, 48, 96, 192), "stem_strides": 1}
    return _tagger(schema, "tagger_residual", changes, image_encoder=encoder, units=192)
