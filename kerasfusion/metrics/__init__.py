"""Metrics in neutral ops."""

from kerasfusion.metrics.in_batch_recall import InBatchRecall
from kerasfusion.metrics.word_accuracy import WordAccuracy

__all__ = ["InBatchRecall", "WordAccuracy"]
