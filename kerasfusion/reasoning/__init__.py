"""Inference over predictions: joint (several modalities), conditional (one updates another) and logical (rules)."""

from kerasfusion.reasoning.conditional import confusion_likelihood, expected_information, narrow, update
from kerasfusion.reasoning.decoding import decode
from kerasfusion.reasoning.joint import LateFusion, ProductOfExperts
from kerasfusion.reasoning.knowledge import Rule, facts, hierarchy, read_rules
from kerasfusion.reasoning.rule_loss import RuleLoss, WithRules
from kerasfusion.reasoning.rules import Rules

__all__ = [
    "LateFusion",
    "ProductOfExperts",
    "Rule",
    "RuleLoss",
    "Rules",
    "WithRules",
    "confusion_likelihood",
    "decode",
    "expected_information",
    "facts",
    "hierarchy",
    "narrow",
    "read_rules",
    "update",
]
