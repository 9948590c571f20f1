"""Signal encoders: map samples to a sequence of frames, a pooled vector and a mask."""

from kerasfusion.encoders.signal.base import SignalEncoder
from kerasfusion.encoders.signal.cnn import SignalCNN
from kerasfusion.encoders.signal.gru import SignalGRU
from kerasfusion.encoders.signal.transformer import SignalTransformer

SIGNAL_ENCODERS = {
    "cnn": SignalCNN,
    "gru": SignalGRU,
    "transformer": SignalTransformer,
}

__all__ = ["SIGNAL_ENCODERS", "SignalCNN", "SignalEncoder", "SignalGRU", "SignalTransformer"]
