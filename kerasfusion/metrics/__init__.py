"""Metrics in backend-neutral ops."""

from kerasfusion.metrics.box_accuracy import BoxAccuracy
from kerasfusion.metrics.in_batch_recall import InBatchRecall
from kerasfusion.metrics.ordinal import OrdinalMeanAbsoluteError, QuadraticWeightedKappa
from kerasfusion.metrics.token_accuracy import TokenAccuracy

__all__ = [
    "BoxAccuracy",
    "InBatchRecall",
    "OrdinalMeanAbsoluteError",
    "QuadraticWeightedKappa",
    "TokenAccuracy",
]
