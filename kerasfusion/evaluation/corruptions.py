"""Everything that a test of robustness tries."""

from kerasfusion.evaluation.corruption import Corruption, drop
from kerasfusion.evaluation.features import FEATURES

CORRUPTIONS = (
    *(Corruption(f"{entry.what} dropped", kind, "share of rows", drop) for kind, entry in FEATURES.items()),
    *(corruption for entry in FEATURES.values() for corruption in entry.corruptions),
)
