"""Joint matrix factorization of several views of the same items."""

import numbers

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.als_step import Design, half_step, workers
from kerasfusion.factorization.blocks import Block, share, with_zero_row
from kerasfusion.factorization.buckets import plan
from kerasfusion.factorization.closed_form import solve_closed_form
from kerasfusion.factorization.initialization import leading_residual, shared_start
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers, pair
from kerasfusion.factorization.retrieval import cross_view_recall
from kerasfusion.factorization.views import assign_factors, private_count, read_views
from kerasfusion.factorization.whitening import Whitening


class JointMatrixFactorization(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Joint matrix factorization with shared and private factors: `X_v ≈ mean_v + Z W_vᵀ + P_v Q_vᵀ` for each view v.

    `Z` is shared by all views; `P_v` is private to view v. The factors minimize

        Σ_v w_v (|X_v - mean_v - Z W_vᵀ - P_v Q_vᵀ|² + λ2 (|W_v|² + |Q_v|²)) + λ1 (|Z|² + Σ_v |P_v|²)

    over the known entries. Items may lack whole views.

    Without private factors and missing entries, the solution is the singular value decomposition of the concatenated
    views. If a view varies mostly in ways that the others do not share, `Z` explains those and is of no use for
    retrieval. There are two remedies: private factors (`n_private_components`), initialized from canonical
    correlations and their residual, and `whiten`. Choose these, `n_components` and the ridge by held-out recall
    (`grid_search`), not by the objective.

    Args:
        n_components: int, number of shared factors `k`. Defaults to `32`.
        n_private_components: int, number of private factors per view, or a dict of view name -> number. Defaults to
            `0`.
        weights: Dict of view name -> weight `w_v`. Defaults to `None`; views without a weight have weight 1.
        regularization: float λ, or a tuple `(λ1, λ2)` for factors and loadings. Defaults to `1.0`.
        whiten: float above 0, or `None`. Ridge of whitening dense views, relative to their mean variance. Defaults to
            `None`, no whitening.
        center: Whether to subtract the means. Whitened views are always centered. Defaults to `True`.
        unobserved: `"zero"` or `"missing"`, the meaning of entries that a sparse view does not store. Defaults to
            `"zero"`.
        max_iter: int, maximum number of iterations of alternating least squares. Defaults to `50`.
        tol: float. Stop when an iteration decreases the objective by less than this fraction; 0 never stops early.
            Defaults to `1e-6`.
        dtype: `"float32"` or `"float64"`. Defaults to `"float64"`.
        n_jobs: int, number of threads; -1 uses all processors. Defaults to `-1`.
        random_state: Seed of the randomized decompositions used for initialization. Defaults to `None`.
        verbose: Whether to print each half-step. Defaults to `False`.
        callback: Function called with the entry of `history_` after each half-step. Training stops if it returns
            `True`. Defaults to `None`.

    Attributes:
        factors_: `(n, k)`, shared factors `Z` of the items passed to `fit`.
        loadings_: Dict of view name -> `(F, k)`, `W`.
        private_loadings_: Dict of view name -> `(F, private)`, `Q`.
        means_: Dict of view name -> `(F,)`.
        history_: List with a dict per half-step: iteration, half, objective. A single entry for the closed form.

    Example:

    ```python
    model = JointMatrixFactorization(8, n_private_components=4).fit({"text": text, "image": image})
    shared = model.transform({"text": text[:5]})  # (5, 8), from one view alone
    model.reconstruct(shared, "image")  # (5, features of an image)
    ```
    """

    def __init__(
        self,
        n_components=32,
        *,
        n_private_components=0,
        weights=None,
        regularization=1.0,
        whiten=None,
        center=True,
        unobserved="zero",
        max_iter=50,
        tol=1e-6,
        dtype="float64",
        n_jobs=-1,
        random_state=None,
        verbose=False,
        callback=None,
    ):
        self.n_components = n_components
        self.n_private_components = n_private_components
        self.weights = weights
        self.regularization = regularization
        self.whiten = whiten
        self.center = center
        self.unobserved = unobserved
        self.max_iter = max_iter
        self.tol = tol
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def fit(self, X, y=None, present=None):
        """Fit the factors.

        Args:
            X: Views of the same items: a dict of name -> matrix `(n, F)`, or a list of matrices, named 0, 1, ... In a
                dense view, a row of NaN is a missing view and any other NaN a missing entry. For a sparse view, see
                `unobserved`.
            y: Ignored.
            present: Dict of name -> bool `(n,)`, the items that have the view. Defaults to `None`: missing views are
                rows of NaN.

        Returns:
            self

        Raises:
            ValueError, TypeError: If an argument is invalid. The message names the view and entry.
        """
        views = read_views(X, self.dtype, present)
        self._check_options(views)
        vars(self).pop("_widths", None)
        self._whitenings = {}
        if self.whiten is not None:
            for name, (matrix, has) in views.items():
                self._whitenings[name] = Whitening(matrix[has], self.whiten, name)
        views = self._whitened(views)
        blocks = self._blocks(views)
        self._slots = assign_factors(self.n_components, views, self.n_private_components)
        self._widths = {name: block.shape[1] for name, block in blocks.items()}
        self.history_ = []
        plain = self._slots[None] == self.n_components
        if plain and all(
            block.entries is None and block.present.all() and not sparse.issparse(block.matrix)
            for block in blocks.values()
        ):
            factors, loadings, objective = solve_closed_form(
                blocks, self.n_components, pair(self.regularization, "regularization")
            )
            self._report({"iteration": 1, "half": "closed form", "objective": objective})
        else:
            factors, loadings = self._start(blocks)
            factors, loadings = self._alternate(blocks, factors, loadings)
        self._store(blocks, factors, loadings)
        self._sums = None
        if all(block.entries is None for block in blocks.values()):
            self._sums = {name: self._sum(name, block, factors) for name, block in blocks.items()}
        return self

    def partial_fit(self, X, y=None, present=None):
        """Update the model with more items (online matrix factorization, Mairal et al., JMLR 2010).

        Computes the factors of the new items, then updates the loadings from statistics accumulated over all items so
        far. The means stay those of the first call, which is a full `fit`. `factors_` become those of the new items.

        Args:
            X: Views of the new items, as in `fit`.
            y: Ignored.
            present: As in `fit`.

        Returns:
            self

        Raises:
            ValueError: If single entries of a view are missing. Only whole rows may be missing.
        """
        if not hasattr(self, "loadings_"):
            return self.fit(X, y, present)
        blocks = self._blocks(self._whitened(read_views(X, self.dtype, present, self._widths)))
        for name, block in blocks.items():
            if self._sums is None or block.entries is not None:
                raise ValueError(
                    f"Single entries of view {name!r}, or of a view in fit, are missing. partial_fit supports "
                    "missing rows only. Fit again on all items."
                )
        factors = self._fold_in(blocks)
        loadings = self._all_loadings()
        ridge = pair(self.regularization, "regularization")[1]
        for name, block in blocks.items():
            gram, products = (
                old + new for old, new in zip(self._sums[name], self._sum(name, block, factors), strict=True)
            )
            self._sums[name] = gram, products
            own = self._slots[name]
            # The minimum-norm solution if nothing is regularized and there are too few items.
            inverse = np.linalg.pinv(gram + ridge * np.eye(len(own), dtype=gram.dtype), hermitian=True)
            loadings[name][:, own] = products @ inverse
        self._store(None, factors, loadings)
        return self

    def transform(self, X, present=None):
        """Compute the shared factors of items from any of their views.

        Args:
            X: One or more views, as in `fit`.
            present: As in `fit`.

        Returns:
            float `(n, k)`; zeros for items without any view.
        """
        check_is_fitted(self, "loadings_")
        return self._fold_in(self._blocks(self._whitened(read_views(X, self.dtype, present, self._widths))))[
            :, : self.n_components
        ]

    def reconstruct(self, factors, view):
        """Reconstruct a view from shared factors; private factors are taken to be 0.

        Args:
            factors: float `(n, k)`, from `transform` or `factors_`.
            view: Name of the view.

        Returns:
            float `(n, F)`, in the units of the view passed to `fit`.

        Raises:
            ValueError: If the view was not in `fit`, or `factors` has the wrong shape.
        """
        check_is_fitted(self, "loadings_")
        if view not in self.loadings_:
            raise ValueError(f"View {view!r} was not in fit. Its views are {list(self.loadings_)}.")
        factors = np.asarray(factors)
        if factors.ndim != 2 or factors.shape[1] != self.n_components:
            raise ValueError(f"factors must have shape (n, {self.n_components}). Received: shape {factors.shape}")
        fitted = factors @ self.loadings_[view].T + self.means_[view]
        return self._whitenings[view].undo(fitted) if view in self._whitenings else fitted

    def score(self, X, y=None, present=None):
        """Return the mean recall at 1 over all ordered pairs of views (see `cross_view_recall`)."""
        return cross_view_recall(self, X, present)

    def _check_options(self, views):
        check_count(self, "n_components", "max_iter")
        check_choice(self, unobserved=("zero", "missing"), dtype=("float32", "float64"))
        check_numbers(self, "regularization")
        if self.whiten is not None and not (isinstance(self.whiten, numbers.Real) and self.whiten > 0):
            raise ValueError(f"whiten must be None or a number above 0. Received: whiten={self.whiten!r}")
        for option in ("n_private_components", "weights"):
            given = getattr(self, option)
            for name in given if isinstance(given, dict) else ():
                if name not in views:
                    raise ValueError(f"{option} names the view {name!r}, but the views are {list(views)}.")
        for name, (matrix, has) in views.items():
            if not has.any():
                raise ValueError(f"View {name!r} is missing in all rows.")
            own = private_count(self.n_private_components, name)
            if not isinstance(own, numbers.Integral) or not 0 <= own < min(matrix.shape):
                raise ValueError(
                    f"n_private_components must be from 0 to {min(matrix.shape) - 1} for view {name!r}. Received: "
                    f"n_private_components={self.n_private_components!r}"
                )
            if not (self.weights or {}).get(name, 1) > 0:
                raise ValueError(f"weights[{name!r}] must be a number above 0. Received: {self.weights[name]!r}")
        rows, width = len(has), sum(matrix.shape[1] for matrix, _ in views.values())
        if self.n_components > min(rows, width):
            raise ValueError(
                f"n_components must be at most {min(rows, width)} for {rows:,} items with {width:,} features. "
                f"Received: n_components={self.n_components}"
            )

    def _whitened(self, views):
        return {
            name: (self._whitenings[name].whiten(matrix, has) if name in self._whitenings else matrix, has)
            for name, (matrix, has) in views.items()
        }

    def _blocks(self, views):
        """The views as blocks, centered with the means of `fit` if the model is fitted."""
        dtype = np.dtype(self.dtype).type
        blocks = {}
        for name, (matrix, has) in views.items():
            mean = self.means_[name] if hasattr(self, "_widths") else None
            if mean is None and not self.center:
                mean = np.zeros(matrix.shape[1], self.dtype)
            blocks[name] = Block(matrix, has, dtype((self.weights or {}).get(name, 1)), self.unobserved, mean)
        return blocks

    def _start(self, blocks):
        """Initialize shared factors with canonical correlations and private factors with their residual."""
        shared = shared_start(blocks, self.n_components, self.random_state)
        n = len(shared)
        factors = np.zeros((n, self._slots[None]), self.dtype)
        factors[:, : self.n_components] = shared
        loadings = {}
        ridge = pair(self.regularization, "regularization")[1]
        with workers(self.n_jobs) as pool:
            for name, block in blocks.items():
                k, own = self.n_components, self._slots[name]
                features = block.shape[1]
                loadings[name] = np.zeros((features, factors.shape[1]), self.dtype)
                ridges = np.full(features, ridge * block.weight, self.dtype)
                W, _ = block.update_loadings(np.ascontiguousarray(shared), ridges, pool)
                loadings[name][:, :k] = W
                if len(own) > k:
                    P, Q = leading_residual(block, shared, W, len(own) - k, self.random_state)
                    factors[:, own[k:]], loadings[name][:, own[k:]] = P, Q
        return factors, loadings

    def _alternate(self, blocks, factors, loadings):
        first, second = pair(self.regularization, "regularization")
        ridge = np.full(len(factors), first, self.dtype)
        buckets = self._plan(blocks, factors.shape[1])
        before = np.finfo(np.float64).max
        with workers(self.n_jobs) as pool:
            for iteration in range(1, self.max_iter + 1):
                factors, objective = self._update_factors(blocks, buckets, loadings, ridge, factors, pool)
                for name, block in blocks.items():
                    objective += second * block.weight * np.square(loadings[name], dtype=np.float64).sum()
                stop = self._report({"iteration": iteration, "half": "factors", "objective": float(objective)})
                objective = first * np.square(factors, dtype=np.float64).sum()
                for name, block in blocks.items():
                    own = self._slots[name]
                    ridges = np.full(block.shape[1], second * block.weight, self.dtype)
                    part, value = block.update_loadings(np.ascontiguousarray(factors[:, own]), ridges, pool)
                    loadings[name][:, own] = part
                    objective += value
                stop = (
                    self._report({"iteration": iteration, "half": "loadings", "objective": float(objective)}) or stop
                )
                if stop or (self.tol > 0 and before - objective < self.tol * abs(before)):
                    break
                before = objective
        return factors, loadings

    def _plan(self, blocks, width):
        """Buckets of the entries of all views that list their entries."""
        listed = [block.entries for block in blocks.values() if block.entries is not None]
        if not listed:
            return []
        entries = listed[0]
        for other in listed[1:]:
            entries = entries.beside(other)
        return plan(entries, width)

    def _update_factors(self, blocks, buckets, loadings, ridge, factors, pool):
        complete = [name for name, block in blocks.items() if block.entries is None]
        shared = share([blocks[name] for name in complete], [loadings[name] for name in complete], self.dtype)
        listed = [loadings[name] for name, block in blocks.items() if block.entries is not None]
        design = Design(with_zero_row(np.concatenate(listed))) if listed else None
        return half_step(buckets, design, shared, ridge, factors, "cholesky", pool)

    def _fold_in(self, blocks):
        """Solve for shared and private factors `(n, K)` given the loadings."""
        loadings = self._all_loadings()
        n = len(next(iter(blocks.values())).present)
        start = np.zeros((n, self._slots[None]), self.dtype)
        ridge = np.full(n, pair(self.regularization, "regularization")[0], self.dtype)
        with workers(self.n_jobs) as pool:
            return self._update_factors(
                blocks,
                self._plan(blocks, start.shape[1]),
                {name: loadings[name] for name in blocks},
                ridge,
                start,
                pool,
            )[0]

    def _all_loadings(self):
        """Loadings `(F, K)` per view, zeros for the private factors of other views."""
        loadings = {}
        for name, own in self._slots.items():
            if name is not None:
                loadings[name] = np.zeros((self._widths[name], self._slots[None]), self.dtype)
                loadings[name][:, own] = np.hstack([self.loadings_[name], self.private_loadings_[name]])
        return loadings

    def _sum(self, name, block, factors):
        """Statistics that determine the loadings: Gram matrix of the factors, and their products with the view."""
        known = np.where(block.present[:, None], factors[:, self._slots[name]], 0)
        return known.T @ known, block.matrix.T @ known - np.outer(block.shift, known.sum(axis=0))

    def _store(self, blocks, factors, loadings):
        k = self.n_components
        self.factors_ = np.ascontiguousarray(factors[:, :k])
        self.loadings_ = {name: loadings[name][:, :k].copy() for name in loadings}
        self.private_loadings_ = {name: loadings[name][:, self._slots[name][k:]] for name in loadings}
        if blocks is not None:
            self.means_ = {name: block.mean for name, block in blocks.items()}

    def _report(self, entry):
        self.history_.append(entry)
        if self.verbose:
            print(f"iteration {entry['iteration']:3} {entry['half']:11} objective {entry['objective']:.6g}")
        return self.callback is not None and self.callback(entry) is True
