"""What a fused model has to beat: one modality alone, and the average of such models."""

from kerasfusion.zoo import builders
from kerasfusion.zoo.registry import register_model


def _single(schema, kind, changes, **settings):
    settings = {"fusion": "concat", "units": 128, "dropout": 0.2, "name": f"{kind}_only", **settings}
    return builders.fusion_model(schema.only(kind), **{**settings, **changes})


@register_model(inputs=("text",), source="baseline")
def text_only(schema, **changes):
    """Averaged word embeddings."""
    return _single(schema, "text", changes, text_encoder="average")


@register_model(inputs=("image",), source="baseline")
def image_only(schema, **changes):
    """A residual CNN."""
    return _single(schema, "image", changes, image_encoder="residual_cnn")


@register_model(inputs=("numeric",), source="baseline")
def numeric_only(schema, **changes):
    """A dense layer on standardized numbers, and a linear model beside it."""
    return _single(schema, "numeric", changes, linear=1)


@register_model(inputs=("categorical",), source="baseline")
def categorical_only(schema, **changes):
    """Embeddings of categories, and a linear model beside them."""
    return _single(schema, "categorical", changes, linear=1)


@register_model(inputs=("boxes",), source="baseline")
def boxes_only(schema, **changes):
    """Coordinates and categories of boxes."""
    return _single(schema, "boxes", changes)


@register_model(inputs=("signal",), source="baseline")
def signal_only(schema, **changes):
    """Strided convolutions over time, of sound over its log-mel spectrogram, and a linear model of statistics."""
    return _single(schema, "signal", changes, linear=1)


@register_model(inputs=("video",), source="arXiv 1411.4389")
def video_only(schema, **changes):
    """A small CNN on every frame, and a GRU over time."""
    return _single(schema, "video", changes)


@register_model(source="baseline")
def late_average(schema, **changes):
    """One model per modality, with averaged predictions of the present ones."""
    settings = {"text_encoder": "average", "image_encoder": "residual_cnn", "units": 128, "dropout": 0.2}
    return builders.late_average(schema, **{**settings, **changes})
