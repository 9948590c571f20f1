"""Matrix factorization by alternating least squares. Needs only NumPy, SciPy, pandas and scikit-learn."""

from kerasfusion.factorization.baselines import ConcatenatedPCA, RidgeCCA
from kerasfusion.factorization.collective import CollectiveMatrixFactorization
from kerasfusion.factorization.given_factors import GivenFactors
from kerasfusion.factorization.joint import JointMatrixFactorization
from kerasfusion.factorization.retrieval import cross_view_recall, grid_search, recall_at_k
from kerasfusion.factorization.spark import SparkMatrixFactorization

__all__ = [
    "CollectiveMatrixFactorization",
    "ConcatenatedPCA",
    "GivenFactors",
    "JointMatrixFactorization",
    "RidgeCCA",
    "SparkMatrixFactorization",
    "cross_view_recall",
    "grid_search",
    "recall_at_k",
]
