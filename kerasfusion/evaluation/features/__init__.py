"""The evaluation's registry of feature kinds: how a row is shown, and what can go wrong with it."""

from kerasfusion.evaluation.features.boxes import BoxInputs
from kerasfusion.evaluation.features.categorical import CategoricalInputs
from kerasfusion.evaluation.features.image import ImageInputs
from kerasfusion.evaluation.features.numeric import NumericInputs
from kerasfusion.evaluation.features.signal import SignalInputs
from kerasfusion.evaluation.features.text import TextInputs
from kerasfusion.evaluation.features.video import VideoInputs

FEATURES = {
    "text": TextInputs(),
    "image": ImageInputs(),
    "numeric": NumericInputs(),
    "categorical": CategoricalInputs(),
    "boxes": BoxInputs(),
    "signal": SignalInputs(),
    "video": VideoInputs(),
}
