"""How texts are encoded."""

from kerasfusion.encoders.features.base import Encoding
from kerasfusion.encoders.text import TEXT_ENCODERS


class TextEncoding(Encoding):
    """One of `TEXT_ENCODERS`."""

    family = TEXT_ENCODERS

    def arguments(self, feature):
        return {"vocabulary": feature.vocabulary, "vocabulary_size": feature.vocabulary_size}

    def rebuilt(self, feature):
        return {"vocabulary": feature.vocabulary}

    def tokens(self, feature):
        return feature.length

    def named_axis(self, feature, weight):
        if weight.path.endswith("/embeddings") and weight.shape[0] == feature.vocabulary_size:
            return 0, feature.token_names
        return None, ()
