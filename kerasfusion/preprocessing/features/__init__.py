"""The preprocessing layer's registry of feature kinds: what a caller sends, made what a model takes."""

from kerasfusion.preprocessing.features.boxes import Boxes
from kerasfusion.preprocessing.features.categorical import Categories
from kerasfusion.preprocessing.features.image import EncodedImage
from kerasfusion.preprocessing.features.numeric import Numbers
from kerasfusion.preprocessing.features.signal import Samples
from kerasfusion.preprocessing.features.text import Strings
from kerasfusion.preprocessing.features.video import EncodedFrames

FEATURES = {
    "text": Strings(),
    "image": EncodedImage(),
    "numeric": Numbers(),
    "categorical": Categories(),
    "boxes": Boxes(),
    "signal": Samples(),
    "video": EncodedFrames(),
}
