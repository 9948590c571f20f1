"""The encoders' registry of feature kinds: which layers encode a `Feature`, and with which arguments."""

from kerasfusion.encoders.features.boxes import BoxEncoding
from kerasfusion.encoders.features.categorical import CategoricalEncoding
from kerasfusion.encoders.features.image import ImageEncoding
from kerasfusion.encoders.features.numeric import NumericEncoding
from kerasfusion.encoders.features.signal import SignalEncoding
from kerasfusion.encoders.features.text import TextEncoding
from kerasfusion.encoders.features.video import VideoEncoding

FEATURES = {
    "text": TextEncoding(),
    "image": ImageEncoding(),
    "numeric": NumericEncoding(),
    "categorical": CategoricalEncoding(),
    "boxes": BoxEncoding(),
    "signal": SignalEncoding(),
    "video": VideoEncoding(),
}
