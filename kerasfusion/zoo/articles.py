"""The tutorial articles' own networks, made to work."""

from kerasfusion.zoo.builders import fusion_model
from kerasfusion.zoo.registry import register_model


@register_model(source="article 000, section 5.2")
def article_joint(schema, **changes):
    """The article's joint network: dense text encoder, one-convolution image encoder, concatenation.

    Text ids through an embedding, their mean through a dense layer of 128; Conv2D of 64, pooling, flatten, a dense
    layer of 128; the two side by side; one sigmoid (or softmax) layer.
    """
    settings = {
        "text_encoder": "average",
        "image_encoder": {"name": "small_cnn", "filters": (64,), "flatten": True},
        "fusion": {"name": "concat", "units": None},
        "units": 128,
        "name": "article_joint",
    }
    return fusion_model(schema, **{**settings, **changes})
