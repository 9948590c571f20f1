"""Heads: a representation to logits; each owns its loss, its metrics and its predictions."""

from kerasfusion.heads.base import Head
from kerasfusion.heads.binary import BinaryHead
from kerasfusion.heads.caption import CaptionHead
from kerasfusion.heads.classes import ClassesHead
from kerasfusion.heads.context import ContextHead
from kerasfusion.heads.match import MatchHead
from kerasfusion.heads.number import NumberHead
from kerasfusion.heads.picture import PictureHead
from kerasfusion.heads.tags import TagsHead
from kerasfusion.heads.words import WordsHead


def head_for(task):
    """The head that fits a `Task` of a schema, named `head_<task>`."""
    name = f"head_{task.name}"
    if task.kind in ("number", "vector"):
        return NumberHead(mean=task.mean, std=task.std, outputs=task.outputs, name=name)
    if task.kind == "caption":
        raise ValueError("A caption is written word by word: choose a captioner (kf.models.captioner).")
    return {"binary": BinaryHead, "classes": ClassesHead, "tags": TagsHead}[task.kind](task.outputs, name=name)


__all__ = [
    "BinaryHead",
    "CaptionHead",
    "ClassesHead",
    "ContextHead",
    "Head",
    "MatchHead",
    "NumberHead",
    "PictureHead",
    "TagsHead",
    "WordsHead",
    "head_for",
]
