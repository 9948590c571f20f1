"""How categories are encoded."""

from typing import ClassVar

from kerasfusion.encoders.categorical import CategoricalEncoder
from kerasfusion.encoders.features.base import Encoding


class CategoricalEncoding(Encoding):
    """A `CategoricalEncoder`."""

    family: ClassVar[dict] = {"categorical": CategoricalEncoder}
    default = "categorical"

    def arguments(self, feature):
        return {"sizes": [len(names) for names in feature.category_names]}

    def tokens(self, feature):
        return feature.length

    def named_axis(self, feature, weight):
        if weight.path.endswith("/embeddings"):
            pairs = zip(feature.columns, feature.category_names, strict=True)
            return 0, tuple((column, name) for column, names in pairs for name in names)
        return 0, feature.columns
