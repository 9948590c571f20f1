"""Video encoders: map frames to a sequence over time and a pooled vector."""

from kerasfusion.encoders.video.average import FrameAverage
from kerasfusion.encoders.video.base import FrameEncoder, VideoEncoder
from kerasfusion.encoders.video.cnn import FrameCNN
from kerasfusion.encoders.video.conv3d import Conv3DEncoder
from kerasfusion.encoders.video.gru import FrameGRU
from kerasfusion.encoders.video.transformer import FrameTransformer

VIDEO_ENCODERS = {
    "average": FrameAverage,
    "gru": FrameGRU,
    "transformer": FrameTransformer,
    "conv3d": Conv3DEncoder,
    "cnn": FrameCNN,
}

__all__ = [
    "VIDEO_ENCODERS",
    "Conv3DEncoder",
    "FrameAverage",
    "FrameCNN",
    "FrameEncoder",
    "FrameGRU",
    "FrameTransformer",
    "VideoEncoder",
]
