"""Reasoning over predictions: joint posteriors, conditional inference and logical rules."""

from kerasfusion.reasoning.conditional import (
    ask_greedily,
    bayes_update,
    confusion_likelihood,
    expected_information_gain,
)
from kerasfusion.reasoning.decoding import constrained_decode
from kerasfusion.reasoning.joint import ProductOfExperts, WeightedProductOfExperts
from kerasfusion.reasoning.knowledge import Rule, read_rules, rules_from_hierarchy, rules_from_table
from kerasfusion.reasoning.rule_loss import RuleLoss, RuleRegularizedModel
from kerasfusion.reasoning.rules import Rules

__all__ = [
    "ProductOfExperts",
    "Rule",
    "RuleLoss",
    "RuleRegularizedModel",
    "Rules",
    "WeightedProductOfExperts",
    "ask_greedily",
    "bayes_update",
    "confusion_likelihood",
    "constrained_decode",
    "expected_information_gain",
    "read_rules",
    "rules_from_hierarchy",
    "rules_from_table",
]
