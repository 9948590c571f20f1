"""The serving layer's registry of feature kinds: inputs of signatures."""

from kerasfusion.serving.features.boxes import ServedBoxes
from kerasfusion.serving.features.categorical import ServedCategories
from kerasfusion.serving.features.image import ServedImage
from kerasfusion.serving.features.numeric import ServedNumbers
from kerasfusion.serving.features.signal import ServedSignal
from kerasfusion.serving.features.text import ServedText
from kerasfusion.serving.features.video import ServedVideo

FEATURES = {
    "text": ServedText(),
    "image": ServedImage(),
    "numeric": ServedNumbers(),
    "categorical": ServedCategories(),
    "boxes": ServedBoxes(),
    "signal": ServedSignal(),
    "video": ServedVideo(),
}
