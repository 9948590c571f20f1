"""How numbers are encoded."""

from typing import ClassVar

from kerasfusion.encoders.features.base import Encoding
from kerasfusion.encoders.numeric import NumericEncoder


class NumericEncoding(Encoding):
    """A `NumericEncoder`."""

    family: ClassVar[dict] = {"numeric": NumericEncoder}
    default = "numeric"
    described = True

    def arguments(self, feature):
        return {"mean": feature.mean, "std": feature.std}

    def named_axis(self, feature, weight):
        return (0, feature.columns) if weight.path.endswith("/kernel") else (None, ())
