"""How images are encoded."""

from kerasfusion.encoders.features.base import Encoding
from kerasfusion.encoders.image import IMAGE_ENCODERS


class ImageEncoding(Encoding):
    """One of `IMAGE_ENCODERS`."""

    family = IMAGE_ENCODERS

    def tokens(self, feature):
        return None
