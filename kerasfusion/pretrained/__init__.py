"""Pretrained weights from installed packages and local folders, as NumPy arrays: no framework of theirs is needed."""

from kerasfusion.pretrained.bert_folder import (
    bert_folder,
    read_bert_config,
    read_bert_weights,
    read_vocabulary,
)
from kerasfusion.pretrained.efficientnet_lite import read_efficientnet_lite
from kerasfusion.pretrained.packages import PACKAGES, Availability, WeightPackage, available, weight_file
from kerasfusion.pretrained.torch_file import read_torch_file

__all__ = [
    "PACKAGES",
    "Availability",
    "WeightPackage",
    "available",
    "bert_folder",
    "read_bert_config",
    "read_bert_weights",
    "read_efficientnet_lite",
    "read_torch_file",
    "read_vocabulary",
    "weight_file",
]
