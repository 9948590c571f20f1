"""The data layer's registry of feature kinds: how columns are found, cleaned, learned from, encoded and described."""

from kerasfusion.data.features.boxes import BoxColumns
from kerasfusion.data.features.categorical import CategoricalColumns
from kerasfusion.data.features.image import ImageFiles
from kerasfusion.data.features.numeric import NumericColumns
from kerasfusion.data.features.signal import SignalColumns
from kerasfusion.data.features.text import TextColumns
from kerasfusion.data.features.video import VideoFiles

# In the order in which the fingerprints of finished runs hash them: a new kind comes last.
FEATURES = {
    "text": TextColumns(),
    "numeric": NumericColumns(),
    "image": ImageFiles(),
    "categorical": CategoricalColumns(),
    "boxes": BoxColumns(),
    "signal": SignalColumns(),
    "video": VideoFiles(),
}
