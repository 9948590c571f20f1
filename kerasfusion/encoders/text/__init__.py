"""Text encoders: token ids to a sequence, a pooled vector and a mask."""

from kerasfusion.encoders.text.average import AverageEmbeddingEncoder
from kerasfusion.encoders.text.bag_of_words import BagOfWordsEncoder
from kerasfusion.encoders.text.base import TextEncoder
from kerasfusion.encoders.text.recurrent import GRUEncoder, LSTMEncoder

TEXT_ENCODERS = {
    "bag_of_words": BagOfWordsEncoder,
    "average": AverageEmbeddingEncoder,
    "lstm": LSTMEncoder,
    "gru": GRUEncoder,
}

__all__ = [
    "TEXT_ENCODERS",
    "AverageEmbeddingEncoder",
    "BagOfWordsEncoder",
    "GRUEncoder",
    "LSTMEncoder",
    "TextEncoder",
]
