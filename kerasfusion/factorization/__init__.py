"""Matrices factored by alternating least squares; stands alone on NumPy, SciPy, pandas and scikit-learn."""

from kerasfusion.factorization.baselines import ConcatenatedPCA, RidgeCCA
from kerasfusion.factorization.collective import CollectiveMatrixFactorization
from kerasfusion.factorization.joint import JointMatrixFactorization
from kerasfusion.factorization.retrieval import choose_joint, paired_recall, view_recall

__all__ = [
    "CollectiveMatrixFactorization",
    "ConcatenatedPCA",
    "JointMatrixFactorization",
    "RidgeCCA",
    "choose_joint",
    "paired_recall",
    "view_recall",
]
