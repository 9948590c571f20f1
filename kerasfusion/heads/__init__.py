"""Heads: map a representation to the logits of a task, with the matching loss, metrics and predictions."""

from kerasfusion.heads.bag_of_words import BagOfWordsHead
from kerasfusion.heads.base import Head
from kerasfusion.heads.binary import BinaryHead
from kerasfusion.heads.caption import CaptionHead
from kerasfusion.heads.contrastive import ContrastiveHead
from kerasfusion.heads.image_reconstruction import ImageReconstructionHead
from kerasfusion.heads.multiclass import MulticlassHead
from kerasfusion.heads.multilabel import MultiLabelHead
from kerasfusion.heads.regression import RegressionHead
from kerasfusion.heads.sentence_embedding import SentenceEmbeddingHead


def build_head(task):
    """The head that fits a `Task` of a schema, named `head_<task>`."""
    name = f"head_{task.name}"
    if task.type in ("regression", "embedding_regression"):
        return RegressionHead(mean=task.mean, std=task.std, outputs=task.outputs, name=name)
    if task.type == "captioning":
        raise ValueError("A caption is written word by word: choose a captioner (kf.models.captioner).")
    return {"binary": BinaryHead, "multiclass": MulticlassHead, "multilabel": MultiLabelHead}[task.type](
        task.outputs, name=name
    )


__all__ = [
    "BagOfWordsHead",
    "BinaryHead",
    "CaptionHead",
    "ContrastiveHead",
    "Head",
    "ImageReconstructionHead",
    "MultiLabelHead",
    "MulticlassHead",
    "RegressionHead",
    "SentenceEmbeddingHead",
    "build_head",
]
