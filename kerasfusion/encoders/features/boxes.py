"""How boxes are encoded."""

from typing import ClassVar

from kerasfusion.encoders.boxes import BoxEncoder
from kerasfusion.encoders.features.base import Encoding


class BoxEncoding(Encoding):
    """A `BoxEncoder`."""

    family: ClassVar[dict] = {"boxes": BoxEncoder}
    default = "boxes"

    def arguments(self, feature):
        categories = len(feature.category_names[0]) if feature.categories else 0
        return {"categories": categories, "grid_of": feature.image or None}

    def tokens(self, feature):
        return feature.length

    def named_axis(self, feature, weight):
        return (0, feature.category_names[0]) if weight.path.endswith("/embeddings") else (None, ())
