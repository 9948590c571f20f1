"""Text encoders: map token ids to a token sequence, a pooled vector and a mask."""

from kerasfusion.encoders.text.average import AverageEmbeddingEncoder
from kerasfusion.encoders.text.bag_of_words import BagOfWordsEncoder
from kerasfusion.encoders.text.base import TextEncoder
from kerasfusion.encoders.text.bert import BertEncoder, MiniLMEncoder
from kerasfusion.encoders.text.clip import CLIPTextEncoder
from kerasfusion.encoders.text.hub import KerasHubTextEncoder
from kerasfusion.encoders.text.recurrent import BiGRUEncoder, BiLSTMEncoder, GRUEncoder, LSTMEncoder
from kerasfusion.encoders.text.text_cnn import TextCNN
from kerasfusion.encoders.text.transformer import TransformerTextEncoder
from kerasfusion.encoders.text.word_vectors import load_word_vectors

TEXT_ENCODERS = {
    "bag_of_words": BagOfWordsEncoder,
    "average": AverageEmbeddingEncoder,
    "text_cnn": TextCNN,
    "lstm": LSTMEncoder,
    "gru": GRUEncoder,
    "bilstm": BiLSTMEncoder,
    "bigru": BiGRUEncoder,
    "transformer": TransformerTextEncoder,
    "keras_hub": KerasHubTextEncoder,
    "clip": CLIPTextEncoder,
    "bert": BertEncoder,
    "minilm": MiniLMEncoder,
}

__all__ = [
    "TEXT_ENCODERS",
    "AverageEmbeddingEncoder",
    "BagOfWordsEncoder",
    "BertEncoder",
    "BiGRUEncoder",
    "BiLSTMEncoder",
    "CLIPTextEncoder",
    "GRUEncoder",
    "KerasHubTextEncoder",
    "LSTMEncoder",
    "MiniLMEncoder",
    "TextCNN",
    "TextEncoder",
    "TransformerTextEncoder",
    "load_word_vectors",
]
