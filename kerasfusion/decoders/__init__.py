"""What an encoded picture is put into words by: one word after the other, given those before."""

from kerasfusion.decoders.attend import AttendDecoder
from kerasfusion.decoders.base import Decoder
from kerasfusion.decoders.generation import beam_search, sample, score
from kerasfusion.decoders.recurrent import GRUDecoder, LSTMDecoder
from kerasfusion.decoders.transformer import TransformerDecoder

DECODERS = {
    "attend": AttendDecoder,
    "gru": GRUDecoder,
    "lstm": LSTMDecoder,
    "transformer": TransformerDecoder,
}

__all__ = [
    "DECODERS",
    "AttendDecoder",
    "Decoder",
    "GRUDecoder",
    "LSTMDecoder",
    "TransformerDecoder",
    "beam_search",
    "sample",
    "score",
]
