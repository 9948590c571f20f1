"""Autoregressive caption decoders."""

from kerasfusion.decoders.attention_lstm import AttentionLSTMDecoder
from kerasfusion.decoders.base import Decoder
from kerasfusion.decoders.generation import beam_search, sample, score_tokens
from kerasfusion.decoders.recurrent import GRUDecoder, LSTMDecoder
from kerasfusion.decoders.transformer import TransformerDecoder

DECODERS = {
    "attention_lstm": AttentionLSTMDecoder,
    "gru": GRUDecoder,
    "lstm": LSTMDecoder,
    "transformer": TransformerDecoder,
}

__all__ = [
    "DECODERS",
    "AttentionLSTMDecoder",
    "Decoder",
    "GRUDecoder",
    "LSTMDecoder",
    "TransformerDecoder",
    "beam_search",
    "sample",
    "score_tokens",
]
