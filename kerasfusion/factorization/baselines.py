"""What joint factorization is compared with: PCA of all views side by side, and canonical correlation analysis."""

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.views import common_rows, read_views
from kerasfusion.factorization.whitening import Whitening


class _Projection(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """A space that every view is projected into by a matrix of its own."""

    def fit(self, X, y=None, present=None):
        """Learn from the items that have every view.

        Args:
            X: dict of name -> dense `(n, F)`, or a list of matrices; a row of NaN is an item without the view.
            y: Ignored.
            present: dict of name -> bool `(n,)`, or None.

        Returns:
            self.

        Raises:
            ValueError: Too few items have every view, or an entry is missing in one.
        """
        views = read_views(X, np.float64, present)
        rows = common_rows(views)
        matrices = {}
        for name, (matrix, _) in views.items():
            matrices[name] = self._dense(name, matrix[rows])
        most = min(rows.sum(), sum(matrix.shape[1] for matrix in matrices.values()))
        if not 1 <= self.n_components <= most:
            raise ValueError(
                f"n_components={self.n_components}; {rows.sum():,} items have every view, so it is from 1 to {most}."
            )
        self._project(matrices)
        return self

    def transform(self, X, present=None):
        """Items in the common space, the mean of what their views say; zeros for one that has none.

        Args:
            X: Any of the views, as in `fit`.
            present: As in `fit`.

        Returns:
            float64 `(n, factors)`.
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
                f"view {name!r} is sparse or has single missing entries; {type(self).__name__} takes none."
            )
        return matrix


class ConcatenatedPCA(_Projection):
    """Principal components of the views side by side; one view alone by least squares on its part of them.

    Args:
        n_components: Number of components.

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
    """Canonical correlation analysis with a ridge; of more than two views, the one of greatest shared variance.

    The views are whitened, and the singular vectors of all of them side by side give one projection each (MAXVAR:
    Kettenring, Biometrika 1971).

    Args:
        n_components: Number of canonical directions.
        ridge: Added to the covariances, relative to the mean variance of a view.

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
    """The right singular vectors of the largest singular values, `(F, count)`."""
    F = matrix.shape[1]
    return linalg.eigh(matrix.T @ matrix, subset_by_index=[F - count, F - 1])[1][:, ::-1]
