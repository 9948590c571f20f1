"""Joint matrix factorization: views of the same items that share their factors."""

import numbers

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.als_step import Design, half_step, workers
from kerasfusion.factorization.baselines import leading_directions
from kerasfusion.factorization.blocks import Block, share, with_zero_row
from kerasfusion.factorization.buckets import plan
from kerasfusion.factorization.initialization import leading_residual, shared_start
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers, pair
from kerasfusion.factorization.retrieval import cross_view_recall
from kerasfusion.factorization.views import read_views
from kerasfusion.factorization.whitening import Whitening


class JointMatrixFactorization(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """`X_v ≈ mean_v + Z W_vᵀ + P_v Q_vᵀ` for every view v: factors Z that all share, and factors P_v of its own.

    Minimizes `Σ_v w_v (|X_v - mean_v - Z W_vᵀ - P_v Q_vᵀ|² + λ2 (|W_v|² + |Q_v|²)) + λ1 (|Z|² + Σ_v |P_v|²)` over the
    entries that are known. An item may lack whole views.

    Without private factors and without missing entries this is the singular value decomposition of the views side by
    side, and solved as that: where a view varies most in its own ways, Z then holds those and finds no other view.
    Two cures: private factors (`n_private_components`), which start from canonical correlations and what those leave,
    and `whiten`. Choose their number, `n_components` and the ridge by held-out recall (`grid_search`), not by the
    objective.

    Args:
        n_components: Number of shared factors, k.
        n_private_components: Number of factors that each view has for itself, or a dict of name -> number.
        weights: dict of name -> weight of the view; 1 for those left out.
        regularization: λ, or `(λ1, λ2)` of factors and loadings.
        whiten: None, or a ridge above 0: dense views are whitened first, with that share of their mean variance added
            to the covariance.
        center: Whether the means are taken off (whitened views are always centered).
        unobserved: "zero" or "missing": what the entries are that a sparse view does not store.
        max_iter: Most iterations of alternating least squares, of two half-steps each.
        tol: Stop once an iteration lowers the objective by a smaller share than this; 0 for never.
        dtype: "float32" or "float64".
        n_jobs: Threads; -1 for all processors.
        random_state: Seed of the randomized decompositions that it may start from.
        verbose: Whether to print every half-step.
        callback: Called after every half-step with the entry of `history_`; stops the fit by returning True.

    Attributes:
        factors_: `(n, k)`, Z of the items of the fit.
        loadings_: dict of name -> `(F, k)`, W.
        private_loadings_: dict of name -> `(F, private)`, Q.
        means_: dict of name -> `(F,)`.
        history_: A dict for every half-step: iteration, half, objective; one entry where it is solved in closed form.

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
        """Learn the factors.

        Args:
            X: Views of the same items: dict of name -> `(n, F)` matrix, or a list of matrices, named 0, 1, ... Dense:
                a row of NaN is an item without the view, other NaN are missing entries. Sparse: see `unobserved`.
            y: Ignored.
            present: dict of name -> bool `(n,)`, which items have a view, where that is not said by NaN.

        Returns:
            self.

        Raises:
            ValueError, TypeError: What is wrong with an argument, and where.
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
        self._slots = slots(self.n_components, views, self.n_private_components)
        self._widths = {name: block.shape[1] for name, block in blocks.items()}
        self.history_ = []
        plain = self._slots[None] == self.n_components
        if plain and all(
            block.entries is None and block.present.all() and not sparse.issparse(block.matrix)
            for block in blocks.values()
        ):
            factors, loadings = self._closed_form(blocks)
        else:
            factors, loadings = self._start(blocks)
            factors, loadings = self._alternate(blocks, factors, loadings)
        self._keep(blocks, factors, loadings)
        self._sums = None
        if all(block.entries is None for block in blocks.values()):
            self._sums = {name: self._sum(name, block, factors) for name, block in blocks.items()}
        return self

    def partial_fit(self, X, y=None, present=None):
        """Learn from further items: their factors, then all loadings from sums over all items so far.

        The items so far keep their factors, and the means stay those of the first call, which is a fit. `factors_`
        become those of the new items (Mairal et al., JMLR 2010).

        Raises:
            ValueError: Single entries of a view are missing: only whole rows of a view may.
        """
        if not hasattr(self, "loadings_"):
            return self.fit(X, y, present)
        blocks = self._blocks(self._whitened(read_views(X, self.dtype, present, self._widths)))
        for name, block in blocks.items():
            if self._sums is None or block.entries is not None:
                raise ValueError(
                    f"single entries of view {name!r}, or of one in fit, are missing: partial_fit takes items that "
                    "have a view wholly or not at all. Fit again on all items."
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
            # Least norm where nothing is regularized and the items are too few to tell.
            inverse = np.linalg.pinv(gram + ridge * np.eye(len(own), dtype=gram.dtype), hermitian=True)
            loadings[name][:, own] = products @ inverse
        self._keep(None, factors, loadings)
        return self

    def transform(self, X, present=None):
        """Shared factors of items, new or not, from any of their views.

        Args:
            X: One view or more, as in `fit`; the others are missing.
            present: As in `fit`.

        Returns:
            float `(n, k)`; zeros for an item that lacks every view.
        """
        check_is_fitted(self, "loadings_")
        return self._fold_in(self._blocks(self._whitened(read_views(X, self.dtype, present, self._widths))))[
            :, : self.n_components
        ]

    def reconstruct(self, factors, view):
        """A view, out of shared factors; what is private to it is not known and left at its mean.

        Args:
            factors: float `(n, k)`, from `transform` or `factors_`.
            view: Its name.

        Returns:
            float `(n, F)`, in the units of the fit.

        Raises:
            ValueError: No such view, or factors of another shape.
        """
        check_is_fitted(self, "loadings_")
        if view not in self.loadings_:
            raise ValueError(f"view {view!r} was not in fit; its views are {list(self.loadings_)}.")
        factors = np.asarray(factors)
        if factors.ndim != 2 or factors.shape[1] != self.n_components:
            raise ValueError(f"factors has shape {factors.shape}; it must be (n, {self.n_components}).")
        fitted = factors @ self.loadings_[view].T + self.means_[view]
        return self._whitenings[view].undo(fitted) if view in self._whitenings else fitted

    def score(self, X, y=None, present=None):
        """Mean recall at 1 over all ordered pairs of views: the share of items whose other view is the nearest."""
        return cross_view_recall(self, X, present)

    def _check_options(self, views):
        check_count(self, "n_components", "max_iter")
        check_choice(self, unobserved=("zero", "missing"), dtype=("float32", "float64"))
        check_numbers(self, "regularization")
        if self.whiten is not None and not (isinstance(self.whiten, numbers.Real) and self.whiten > 0):
            raise ValueError(f"whiten={self.whiten!r}; it is None or a ridge above 0.")
        for option in ("n_private_components", "weights"):
            given = getattr(self, option)
            for name in given if isinstance(given, dict) else ():
                if name not in views:
                    raise ValueError(f"{option} names the view {name!r}; the views are {list(views)}.")
        for name, (matrix, has) in views.items():
            if not has.any():
                raise ValueError(f"view {name!r} is missing in every row.")
            own = private_of(self.n_private_components, name)
            if not isinstance(own, numbers.Integral) or not 0 <= own < min(matrix.shape):
                raise ValueError(
                    f"n_private_components={self.n_private_components!r}; for view {name!r} it is from 0 to "
                    f"{min(matrix.shape) - 1}."
                )
            if not (self.weights or {}).get(name, 1) > 0:
                raise ValueError(f"weights: that of view {name!r} is {self.weights[name]!r}; it is a number above 0.")
        rows, width = len(has), sum(matrix.shape[1] for matrix, _ in views.values())
        if self.n_components > min(rows, width):
            raise ValueError(
                f"n_components={self.n_components} is more than {rows:,} items with {width:,} features can have; set "
                f"it to at most {min(rows, width)}."
            )

    def _whitened(self, views):
        return {
            name: (self._whitenings[name].whiten(matrix, has) if name in self._whitenings else matrix, has)
            for name, (matrix, has) in views.items()
        }

    def _blocks(self, views):
        """The views as blocks, centered by the means of the fit where there is one."""
        dtype = np.dtype(self.dtype).type
        blocks = {}
        for name, (matrix, has) in views.items():
            mean = self.means_[name] if hasattr(self, "_widths") else None
            if mean is None and not self.center:
                mean = np.zeros(matrix.shape[1], self.dtype)
            blocks[name] = Block(matrix, has, dtype((self.weights or {}).get(name, 1)), self.unobserved, mean)
        return blocks

    def _closed_form(self, blocks):
        """Singular values beyond `sqrt(λ1 λ2)` are lowered by it, the others are dropped."""
        first, second = pair(self.regularization, "regularization")
        roots = [np.sqrt(block.weight) for block in blocks.values()]
        X = np.hstack([root * block.matrix for root, block in zip(roots, blocks.values(), strict=True)])
        if X.shape[0] < X.shape[1]:
            left = leading_directions(X.T, self.n_components)
            values = np.linalg.norm(X.T @ left, axis=0)
            right = X.T @ left / np.where(values > 0, values, 1)
        else:
            right = leading_directions(X, self.n_components)
            values = np.linalg.norm(X @ right, axis=0)
            left = X @ right / np.where(values > 0, values, 1)
        kept = np.maximum(values - np.sqrt(first * second), 0)
        # The product alone is given; the regularization says how its size is split between the two.
        balance = (second / first) ** 0.25 if first > 0 and second > 0 else 1.0
        factors, right = left * np.sqrt(kept) * balance, right * np.sqrt(kept) / balance
        parts = np.split(right, np.cumsum([block.shape[1] for block in blocks.values()])[:-1])
        loadings = {name: part / root for name, part, root in zip(blocks, parts, roots, strict=True)}
        error = float(np.square(X).sum() - np.square(values).sum() + np.square(values - kept).sum())
        penalty = first * np.square(factors).sum() + second * np.square(right).sum()
        self._tell({"iteration": 1, "half": "closed form", "objective": float(error + penalty)})
        return factors, loadings

    def _start(self, blocks):
        """Shared factors from canonical correlations, then each view's own from what those leave."""
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
                stop = self._tell({"iteration": iteration, "half": "factors", "objective": float(objective)})
                objective = first * np.square(factors, dtype=np.float64).sum()
                for name, block in blocks.items():
                    own = self._slots[name]
                    ridges = np.full(block.shape[1], second * block.weight, self.dtype)
                    part, value = block.update_loadings(np.ascontiguousarray(factors[:, own]), ridges, pool)
                    loadings[name][:, own] = part
                    objective += value
                stop = self._tell({"iteration": iteration, "half": "loadings", "objective": float(objective)}) or stop
                if stop or (self.tol > 0 and before - objective < self.tol * abs(before)):
                    break
                before = objective
        return factors, loadings

    def _plan(self, blocks, width):
        """Buckets of the entries of all views that list theirs."""
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
        """Shared and private factors `(n, K)`, given the loadings."""
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
        """Loadings `(F, K)` by view, zeros at what is private to other views."""
        loadings = {}
        for name, own in self._slots.items():
            if name is not None:
                loadings[name] = np.zeros((self._widths[name], self._slots[None]), self.dtype)
                loadings[name][:, own] = np.hstack([self.loadings_[name], self.private_loadings_[name]])
        return loadings

    def _sum(self, name, block, factors):
        """What the loadings of a view are solved from: the factors' Gram matrix and their products with the view."""
        known = np.where(block.present[:, None], factors[:, self._slots[name]], 0)
        return known.T @ known, block.matrix.T @ known - np.outer(block.shift, known.sum(axis=0))

    def _keep(self, blocks, factors, loadings):
        k = self.n_components
        self.factors_ = np.ascontiguousarray(factors[:, :k])
        self.loadings_ = {name: loadings[name][:, :k].copy() for name in loadings}
        self.private_loadings_ = {name: loadings[name][:, self._slots[name][k:]] for name in loadings}
        if blocks is not None:
            self.means_ = {name: block.mean for name, block in blocks.items()}

    def _tell(self, entry):
        self.history_.append(entry)
        if self.verbose:
            print(f"iteration {entry['iteration']:3} {entry['half']:11} objective {entry['objective']:.6g}")
        return self.callback is not None and self.callback(entry) is True


def private_of(private, name):
    return private.get(name, 0) if isinstance(private, dict) else private


def slots(shared, views, private):
    """Which factors are whose: dict of name -> int array, the shared ones first; under None, how many there are."""
    found, end = {}, shared
    for name in views:
        own = private_of(private, name)
        found[name] = np.concatenate([np.arange(shared), np.arange(end, end + own)])
        end += own
    return {**found, None: end}
