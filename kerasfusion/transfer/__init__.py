"""Transfer learning: features, distillation, weight transfer, adapters, few labels, missing modalities."""

from kerasfusion.transfer.adapters import add_adapters, enable_lora, merge_lora
from kerasfusion.transfer.distillation import distill
from kerasfusion.transfer.features import (
    add_features,
    extract_features,
    feature_extractor,
    linear_probe,
    replace_head,
)
from kerasfusion.transfer.language import (
    extend_vocabulary,
    init_embeddings_from_bert,
    language_model,
    pretrain_decoder,
)
from kerasfusion.transfer.modal_augmentation import append_tags, impute_modality
from kerasfusion.transfer.net2net import deepen, widen
from kerasfusion.transfer.semi_supervised import pseudo_labels, select_for_labeling
from kerasfusion.transfer.weight_transfer import transfer_weights

__all__ = [
    "add_adapters",
    "add_features",
    "append_tags",
    "deepen",
    "distill",
    "enable_lora",
    "extend_vocabulary",
    "extract_features",
    "feature_extractor",
    "impute_modality",
    "init_embeddings_from_bert",
    "language_model",
    "linear_probe",
    "merge_lora",
    "pretrain_decoder",
    "pseudo_labels",
    "replace_head",
    "select_for_labeling",
    "transfer_weights",
    "widen",
]
