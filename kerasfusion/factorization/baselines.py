"""Baselines of joint factorization: PCA of the concatenated views, and canonical correlation analysis."""

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.views import common_rows, read_views
from kerasfusion.factorization.whitening import Whitening


class _Projection(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base class: one linear projection per view into a shared space."""

    def fit(self, X, y=None, present=None):
        """Fit the projections on the items that have all views.

        Args:
            X: Dict of name -> dense matrix `(n, F)`, or a list of matrices. A row of NaN is a missing view.
            y: Ignored.
            present: Dict of name -> bool `(n,)`, the items that have the view. Defaults to `None`.

        Returns:
            self

        Raises:
            ValueError: If too few items have all views, or single entries are missing.
        """
        views = read_views(X, np.float64, present)
        rows = common_rows(views)
        matrices = {}
        for name, (matrix, _) in views.items():
            matrices[name] = self._dense(name, matrix[rows])
        most = min(rows.sum(), sum(matrix.shape[1] for matrix in matrices.values()))
        if not 1 <= self.n_components <= most:
            raise ValueError(
                f"n_components must be from 1 to {most}, because {rows.sum():,} items have all views. Received: "
                f"n_components={self.n_components}"
            )
        self._project(matrices)
        return self

    def transform(self, X, present=None):
        """Project items into the shared space: the mean over the projections of their views.

        Args:
            X: One or more views, as in `fit`.
            present: As in `fit`.

        Returns:
            float64 `(n, n_components)`; zeros for items without any view.
        """
        check_is_fitted(self, "projections_")
        views = read_views(X, np.float64, present, {name: len(mean) for name, mean in self.means_.items()})
        total, count = 0.0, 0
        for name, (matrix, has) in views.items():
            known = self._dense(name, matrix[has]) - self.means_[name]
            placed = np.zeros((len(has), self.n_components))
            placed[has] = known @ self.projections_[name]
            total += placed
            count += has[:, None]
        return total / np.maximum(count, 1)

    def _dense(self, name, matrix):
        if not isinstance(matrix, np.ndarray) or np.isnan(matrix).any():
            raise ValueError(
                f"View {name!r} is sparse or has single missing entries. {type(self).__name__} supports neither."
            )
        return matrix


class ConcatenatedPCA(_Projection):
    """Principal component analysis of the concatenated views.

    A single view is projected by least squares on its part of the components.

    Args:
        n_components: int, number of components.

    Example:

    ```python
    space = ConcatenatedPCA(16).fit({"text": text, "image": image})
    space.transform({"text": text})  # (n, 16)
    ```
    """

    def __init__(self, n_components=32):
        self.n_components = n_components

    def _project(self, matrices):
        pca = PCA(self.n_components, svd_solver="full").fit(np.hstack(list(matrices.values())))
        bounds = np.cumsum([matrix.shape[1] for matrix in matrices.values()])[:-1]
        parts = np.split(pca.components_, bounds, axis=1)
        self.means_ = dict(zip(matrices, np.split(pca.mean_, bounds), strict=True))
        self.projections_ = {name: np.linalg.pinv(part) for name, part in zip(matrices, parts, strict=True)}


class RidgeCCA(_Projection):
    """Regularized canonical correlation analysis of two or more views (MAXVAR: Kettenring, Biometrika 1971).

    The views are whitened, and the leading singular vectors of the concatenated whitened views give the projections.

    Args:
        n_components: int, number of canonical directions.
        ridge: float, added to the diagonal of the covariances, relative to the mean variance of a view.

    Example:

    ```python
    space = RidgeCCA(16, ridge=0.1).fit({"text": text, "image": image})
    space.transform({"image": image})  # (n, 16)
    ```
    """

    def __init__(self, n_components=32, ridge=0.1):
        self.n_components = n_components
        self.ridge = ridge

    def _project(self, matrices):
        whitenings = {name: Whitening(matrix, self.ridge, name) for name, matrix in matrices.items()}
        side_by_side = np.hstack([whitenings[name].whiten(matrix, slice(None)) for name, matrix in matrices.items()])
        top = leading_directions(side_by_side, self.n_components)
        parts = np.split(top, np.cumsum([matrix.shape[1] for matrix in matrices.values()])[:-1])
        self.means_ = {name: whitening.mean for name, whitening in whitenings.items()}
        self.projections_ = {}
        for (name, whitening), part in zip(whitenings.items(), parts, strict=True):
            self.projections_[name] = (whitening.directions / whitening.scales) @ (whitening.directions.T @ part)


def leading_directions(matrix, count):
    """The leading right singular vectors, `(F, count)`."""
    F = matrix.shape[1]
    return linalg.eigh(matrix.T @ matrix, subset_by_index=[F - count, F - 1])[1][:, ::-1]
