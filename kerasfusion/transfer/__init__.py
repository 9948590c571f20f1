"""What one model has learned, carried over to another."""

from kerasfusion.transfer.adapters import bottlenecks, lora, merge
from kerasfusion.transfer.augmentation import append_tags, fill_in
from kerasfusion.transfer.distillation import taught
from kerasfusion.transfer.features import add_features, cut, extract, head_on, train_head
from kerasfusion.transfer.few_labels import pseudo_labels, rows_to_label
from kerasfusion.transfer.growing import deepen, widen
from kerasfusion.transfer.language import language_model, train_decoder, with_sentences, words_from_bert
from kerasfusion.transfer.structure import inherit

__all__ = [
    "add_features",
    "append_tags",
    "bottlenecks",
    "cut",
    "deepen",
    "extract",
    "fill_in",
    "head_on",
    "inherit",
    "language_model",
    "lora",
    "merge",
    "pseudo_labels",
    "rows_to_label",
    "taught",
    "train_decoder",
    "train_head",
    "widen",
    "with_sentences",
    "words_from_bert",
]
