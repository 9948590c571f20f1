"""Metrics in backend-neutral ops."""

from kerasfusion.metrics.in_batch_recall import InBatchRecall
from kerasfusion.metrics.ordinal import OrdinalMeanAbsoluteError, QuadraticWeightedKappa
from kerasfusion.metrics.token_accuracy import TokenAccuracy

__all__ = ["InBatchRecall", "OrdinalMeanAbsoluteError", "QuadraticWeightedKappa", "TokenAccuracy"]
