"""Encoded frames to pixels."""

from kerasfusion.preprocessing.features.base import RawFeature
from kerasfusion.preprocessing.video import decode_videos


class EncodedFrames(RawFeature):
    """string `(B, F)` to uint8 `(B, T, H, W, 3)`; a video without a frame that can be read is missing."""

    def read(self, feature, raw, resource, max_pixels):
        return decode_videos(raw, feature.length, feature.size, max_pixels)
