"""One modality to a sequence, a pooled vector and a mask (and a picture's grid)."""

from kerasfusion.encoders.image import IMAGE_ENCODERS, ImageEncoder, ResidualCNN, SmallCNN
from kerasfusion.encoders.numbers import NumbersEncoder
from kerasfusion.encoders.text import (
    TEXT_ENCODERS,
    AverageEmbeddingEncoder,
    BagOfWordsEncoder,
    GRUEncoder,
    LSTMEncoder,
    TextEncoder,
)

__all__ = [
    "IMAGE_ENCODERS",
    "TEXT_ENCODERS",
    "AverageEmbeddingEncoder",
    "BagOfWordsEncoder",
    "GRUEncoder",
    "ImageEncoder",
    "LSTMEncoder",
    "NumbersEncoder",
    "ResidualCNN",
    "SmallCNN",
    "TextEncoder",
]
