"""Labels that are sentences to write."""

from kerasfusion.data.captions import END, encode_captions
from kerasfusion.data.summaries import describe_texts
from kerasfusion.data.tasks.base import LabelType


class Captioning(LabelType):
    """int32 `(n, L)` token ids with start and end."""

    default_name = "caption"
    read_shifted = True
    # An image may well be described in several ways.
    one_answer = False

    def label_rows(self, task, frame, schema, arrays):
        labels = encode_captions(frame[task.column].fillna("").astype(str), task)
        return labels, (labels[:, 1] != END).astype("float32")

    def profile(self, task, splits):
        ids = {name: split.labels[task.name][:, 1:] for name, split in splits.items()}
        texts = {name: split.frame[task.column].fillna("") for name, split in splits.items()}
        return describe_texts(texts, ids, len(task.vocabulary), task.length - 2)
