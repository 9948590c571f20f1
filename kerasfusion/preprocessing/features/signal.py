"""WAV files, or series of numbers, to samples."""

from kerasfusion.preprocessing.features.base import RawFeature
from kerasfusion.preprocessing.signal import decode_signals, fit_signal


class Samples(RawFeature):
    """To float32 `(B, length, channels)`, NaN where a sample is missing.

    Of a feature with a rate from string `(B,)`, WAV files; of others from float32 `(B, n, channels)`. What cannot be
    read, or holds no number, is missing.
    """

    def read(self, feature, raw, resource, max_pixels):
        if feature.rate is None:
            return fit_signal(raw, feature.length)
        return decode_signals(raw, feature.length, feature.rate)
