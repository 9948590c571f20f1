"""Metrics in neutral ops."""

from kerasfusion.metrics.in_batch_recall import InBatchRecall

__all__ = ["InBatchRecall"]
