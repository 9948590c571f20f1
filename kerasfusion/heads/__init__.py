"""Heads: map a representation to the logits of a task, with the matching loss, metrics and predictions."""

from kerasfusion.heads.bag_of_words import BagOfWordsHead
from kerasfusion.heads.base import Head
from kerasfusion.heads.binary import BinaryHead
from kerasfusion.heads.box import BoxHead
from kerasfusion.heads.caption import CaptionHead
from kerasfusion.heads.contrastive import ContrastiveHead
from kerasfusion.heads.detection import DetectionHead
from kerasfusion.heads.image_reconstruction import ImageReconstructionHead
from kerasfusion.heads.multiclass import MulticlassHead
from kerasfusion.heads.multilabel import MultiLabelHead
from kerasfusion.heads.ordinal import OrdinalHead
from kerasfusion.heads.regression import RegressionHead
from kerasfusion.heads.segments import SegmentsHead
from kerasfusion.heads.sentence_embedding import SentenceEmbeddingHead
from kerasfusion.heads.tasks import build_head

__all__ = [
    "BagOfWordsHead",
    "BinaryHead",
    "BoxHead",
    "CaptionHead",
    "ContrastiveHead",
    "DetectionHead",
    "Head",
    "ImageReconstructionHead",
    "MultiLabelHead",
    "MulticlassHead",
    "OrdinalHead",
    "RegressionHead",
    "SegmentsHead",
    "SentenceEmbeddingHead",
    "build_head",
]
