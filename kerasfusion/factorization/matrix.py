"""Base class of estimators that factorize one matrix: read ratings, compute factors of new rows and columns."""

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from kerasfusion.factorization.als import Alternation, Side
from kerasfusion.factorization.als_step import workers
from kerasfusion.factorization.blocks import Block
from kerasfusion.factorization.entries import Entries
from kerasfusion.factorization.features import read_features
from kerasfusion.factorization.param_validation import pair
from kerasfusion.factorization.ratings import grow, merge, places_of, read_triples
from kerasfusion.factorization.recommendation import RecommenderMixin

SIDES = ("row", "column")


class MatrixFactorization(RecommenderMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base class of `P ≈ μ + b + c + U Vᵀ`, fitted to the known entries of `P`.

    A subclass has the parameters of `CollectiveMatrixFactorization`, as arguments or class attributes, and implements
    `_learn_factors`, which sets the factors, biases, loadings and means of both sides.
    """

    def transform(self, X=None, *, row_features=None):
        """Compute the factors of rows from their ratings, features or both (fold-in). The model is unchanged.

        Args:
            X: Ratings, as in `fit`. The columns must be known; row ids may be new. Defaults to `None`.
            row_features: Features, as in `fit`. Without `X`, this is a cold start. Defaults to `None`.

        Returns:
            float `(rows, k)`; with biases `(rows, k + 1)`, the last column being the bias. Rows of a table are in the
            order in which their ids first appear, in `X` and then in `row_features`.

        Raises:
            ValueError: If both arguments are `None`, a column is unknown, or features were not used in `fit`.
        """
        return self._fold_in(0, X, row_features)

    def transform_columns(self, X=None, *, column_features=None):
        """Compute the factors of columns from their ratings, features or both (fold-in). The model is unchanged.

        Args:
            X: Ratings, as in `fit`. The rows must be known; column ids may be new. Defaults to `None`.
            column_features: Features, as in `fit`. Without `X`, this is a cold start. Defaults to `None`.

        Returns:
            float `(columns, k)`; with biases `(columns, k + 1)`, the last column being the bias.

        Raises:
            ValueError: If both arguments are `None`, a row is unknown, or features were not used in `fit`.
        """
        return self._fold_in(1, X, column_features)

    @property
    def _implicit(self):
        return self.feedback == "implicit"

    @property
    def _has_biases(self):
        return bool(self.biases) and not self._implicit

    def _learn(self, X, row_features=None, column_features=None, iterations=1):
        """Read ratings and features, hold out a validation set and fit the factors on the rest."""
        random = check_random_state(self.random_state)
        first = not hasattr(self, "row_factors_")
        index = [None, None] if first else [self.row_ids_, self.column_ids_]
        old_shape = (0, 0) if first else self.ratings_.shape
        triples = read_triples(X, self.dtype, self._implicit)
        sizes = triples.shape or (None, None)
        index = [grow(*of) for of in zip(index, (triples.rows, triples.columns), sizes, strict=True)]
        features, means = ([None, None], [None, None]) if first else (list(self._features), self._means)
        for s, given in enumerate((row_features, column_features)):
            if given is not None:
                index[s], *read = read_features(given, index[s], SIDES[s], self.dtype)
                features[s] = replace_features(features[s], *read, SIDES[s])
        shape = tuple(len(ids) for ids in index)
        if self.n_components > min(shape):
            raise ValueError(
                f"n_components must be at most {min(shape)} for a matrix of {shape[0]:,} x {shape[1]:,}. Received: "
                f"n_components={self.n_components}"
            )
        places = [places_of(ids, index[s], SIDES[s]) for s, ids in enumerate((triples.rows, triples.columns))]
        entries = self._entries(*(place.astype(np.int32) for place in places), triples.values, shape, first)
        del triples, places
        held_out = None
        if first and self.validation_fraction and iterations > 1:
            held = random.random_sample(len(entries.values)) < self.validation_fraction
            if held.all() or not held.any():
                raise ValueError(
                    f"validation_fraction={self.validation_fraction} holds out {held.sum():,} of {len(held):,} "
                    "ratings. Training and validation need at least one each."
                )
            listed = entries.rows, entries.columns, entries.values
            held_out = tuple(part[held] for part in listed)
            entries = Entries.sort(*(part[~held] for part in listed), None, shape)
        if first:
            self.mean_ = float(entries.values.mean(dtype=np.float64)) if self._has_biases else 0.0
        self.history_ = [] if first else list(self.history_)
        counts = [entries.counts, np.bincount(entries.columns, minlength=shape[1])]
        if first:
            self._typical = [float(count[count > 0].mean()) for count in counts]
        self.row_ids_, self.column_ids_ = index
        self._features, self._means = features, means
        self._learn_factors(entries, held_out, old_shape, random, iterations)

    def _entries(self, rows, columns, values, shape, first):
        """Merge new ratings into the earlier ones, replacing duplicates, and store them as `ratings_`."""
        rows, columns, values = merge(rows, columns, values, shape, self.duplicate_policy)
        if not first:
            old = self.ratings_.tocoo()
            rows, columns = np.concatenate([old.row, rows]), np.concatenate([old.col, columns])
            rows, columns, values = merge(rows, columns, np.concatenate([old.data, values]), shape, "last")
        entries = Entries.sort(*self._observed(rows, columns, values), None, shape)
        values = entries.values
        if not len(values):
            raise ValueError("All strengths of the implicit feedback are 0. At least one must be above 0.")
        starts = np.append(entries.starts, len(values)).astype(entries.starts.dtype)
        self.ratings_ = sparse.csr_array((entries.values, entries.columns, starts), shape=shape)
        return entries

    def _observed(self, rows, columns, values):
        """Drop entries that are not observations: strengths of 0 in implicit feedback."""
        if not self._implicit:
            return rows, columns, values
        positive = values > 0
        return rows[positive], columns[positive], values[positive]

    def _observations(self, entries):
        """Entries with the targets and weights of the objective."""
        if self._implicit:
            ones = np.ones_like(entries.values)
            weights = 1 + entries.values.dtype.type(self.alpha) * entries.values
            return Entries(entries.starts, entries.counts, entries.columns, ones, weights, entries.shape)
        centered = entries.values - entries.values.dtype.type(self.mean_)
        return Entries(entries.starts, entries.counts, entries.columns, centered, None, entries.shape)

    def _side(self, s, counts, features, mean):
        """A `Side` with its regularization and features, and factors of 0."""
        strength = pair(self.regularization, "regularization")[s]
        ridge = (
            np.where(counts > 0, counts, self._typical[s]) if self.weighted_regularization else np.ones(len(counts))
        )
        width = self.n_components + self._has_biases
        side = Side(np.zeros((len(counts), width), self.dtype), (strength * ridge).astype(self.dtype))
        if features is not None:
            weight = np.dtype(self.dtype).type(pair(self.side_info_weight, "side_info_weight")[s])
            side.block = Block(*features, weight, self.unobserved, mean)
            side.loadings = np.zeros((features[0].shape[1], width), self.dtype)
            feature_counts = np.maximum(side.block.counts, 1) if self.weighted_regularization else 1
            side.loadings_ridge = (strength * feature_counts * np.ones(len(side.loadings))).astype(self.dtype)
        return side

    def _fold_in(self, s, X, given):
        check_is_fitted(self, "row_factors_")
        what, name = SIDES[s], f"{SIDES[s]}_features"
        if X is None and given is None:
            raise ValueError(f"Pass X, {name}, or both.")
        loadings = getattr(self, f"{what}_loadings_")
        if given is not None and loadings is None:
            raise ValueError(f"{name} was not passed to fit, so the model has no loadings for it.")
        index, features, known = None, None, (self.row_ids_, self.column_ids_)[1 - s]
        if X is not None:
            triples = read_triples(X, self.dtype, self._implicit)
            ids = (triples.rows, triples.columns)
            index = grow(None, ids[s], triples.shape[s] if triples.shape else None)
        if given is not None:
            index, *features = read_features(given, index, what, self.dtype)
            if features[0].shape[1] != len(loadings):
                raise ValueError(f"{name} has {features[0].shape[1]} columns, but {len(loadings)} in fit.")
        shape = (len(index), len(known))
        if X is None:
            places, values = [np.zeros(0, np.int32)] * 2, np.zeros(0, self.dtype)
        else:
            places = [places_of(ids[s], index, what), places_of(ids[1 - s], known, SIDES[1 - s])]
            values = triples.values
        merged = merge(*places, values, shape, self.duplicate_policy)
        entries = Entries.sort(*self._observed(*merged), None, shape)
        side = self._side(s, entries.counts, features, getattr(self, f"{what}_means_"))
        if features is not None:
            side.loadings = loadings
        side.plan(self._observations(entries))
        other = getattr(self, f"{SIDES[1 - s]}_factors_")
        if self._has_biases:
            other = np.column_stack([other, getattr(self, f"{SIDES[1 - s]}_bias_")])
        with workers(self.n_jobs) as pool:
            alternation = Alternation(pool, self._has_biases, self._implicit, self.nonnegative, "cholesky")
            alternation.update_factors(side, Side(other, np.zeros(len(other), self.dtype)))
        return side.factors


def replace_features(old, matrix, present, what):
    """Merge new features into the earlier ones, replacing those of the same ids."""
    if old is None:
        return [matrix, present]
    before, had = old
    if matrix.shape[1] != before.shape[1]:
        raise ValueError(f"{what}_features has {matrix.shape[1]} columns, but {before.shape[1]} in fit.")
    if sparse.issparse(matrix) != sparse.issparse(before):
        raise ValueError(f"{what}_features must be {'sparse' if sparse.issparse(before) else 'dense'}, as in fit.")
    had = np.concatenate([had, np.zeros(len(present) - len(had), bool)])
    kept = np.flatnonzero(had & ~present)
    if sparse.issparse(matrix):
        rows = np.concatenate([kept, np.flatnonzero(present)])
        stacked = sparse.vstack([before.tocsr()[kept], matrix.tocsr()[present]]).tocoo()
        merged = sparse.csr_array((stacked.data, (rows[stacked.row], stacked.col)), shape=matrix.shape)
    else:
        merged = matrix.copy()
        merged[kept] = before[kept]
    return [merged, had | present]
