"""How signals are encoded."""

from kerasfusion.encoders.features.base import Encoding
from kerasfusion.encoders.signal import SIGNAL_ENCODERS


class SignalEncoding(Encoding):
    """One of `SIGNAL_ENCODERS`."""

    family = SIGNAL_ENCODERS
    default = "cnn"
    described = True

    def arguments(self, feature):
        return {"mean": feature.mean, "std": feature.std, "rate": feature.rate}

    def tokens(self, feature):
        return None
