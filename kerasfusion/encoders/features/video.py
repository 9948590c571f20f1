"""How videos are encoded."""

from kerasfusion.encoders.features.base import Encoding
from kerasfusion.encoders.video import VIDEO_ENCODERS


class VideoEncoding(Encoding):
    """One of `VIDEO_ENCODERS`."""

    family = VIDEO_ENCODERS
    default = "gru"

    def tokens(self, feature):
        return feature.length
