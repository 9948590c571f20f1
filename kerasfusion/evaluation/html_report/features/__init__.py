"""The report's registry of feature kinds: what a page shows of them, and requests with them."""

from kerasfusion.evaluation.html_report.features.boxes import BoxPart
from kerasfusion.evaluation.html_report.features.categorical import CategoricalPart
from kerasfusion.evaluation.html_report.features.image import ImagePart
from kerasfusion.evaluation.html_report.features.numeric import NumericPart
from kerasfusion.evaluation.html_report.features.signal import SignalPart
from kerasfusion.evaluation.html_report.features.text import TextPart
from kerasfusion.evaluation.html_report.features.video import VideoPart

FEATURES = {
    "text": TextPart(),
    "image": ImagePart(),
    "numeric": NumericPart(),
    "categorical": CategoricalPart(),
    "boxes": BoxPart(),
    "signal": SignalPart(),
    "video": VideoPart(),
}
