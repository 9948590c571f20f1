"""Labels of retrieval: each text's own image."""

import numpy as np

from kerasfusion.data.tasks.base import LabelType


class Retrieval(LabelType):
    """int32 `(n,)`, the number of each text's image. A row that lacks one of the two has weight 0."""

    default_name = "match"
    profiled = False

    def label_rows(self, task, frame, schema, arrays):
        (image,), (words,) = schema.of_kind("image"), schema.of_kind("text")
        index = arrays[image.name]
        whole = (index >= 0) & (arrays[words.name] != 0).any(axis=1)
        return np.maximum(index, 0), whole.astype("float32")
