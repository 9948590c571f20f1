"""What one model has learned, carried over to another."""

from kerasfusion.transfer.adapters import bottlenecks, lora, merge
from kerasfusion.transfer.distillation import taught
from kerasfusion.transfer.features import add_features, cut, extract, head_on, train_head
from kerasfusion.transfer.growing import deepen, widen
from kerasfusion.transfer.structure import inherit

__all__ = [
    "add_features",
    "bottlenecks",
    "cut",
    "deepen",
    "extract",
    "head_on",
    "inherit",
    "lora",
    "merge",
    "taught",
    "train_head",
    "widen",
]
