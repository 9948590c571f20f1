"""Encoded images to pixels."""

from kerasfusion.preprocessing.features.base import RawFeature
from kerasfusion.preprocessing.image import decode_images


class EncodedImage(RawFeature):
    """string `(B,)` to uint8 `(B, H, W, 3)`; what cannot be read is missing."""

    def read(self, feature, raw, resource, max_pixels):
        return decode_images(raw, feature.size, max_pixels=max_pixels)
