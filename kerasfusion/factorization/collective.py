"""Collective matrix factorization by alternating least squares."""

import dataclasses

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
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers, pair
from kerasfusion.factorization.ratings import MERGES, grow, merge, places_of, read_triples
from kerasfusion.factorization.recommendation import Recommending
from kerasfusion.factorization.spark import check_spark, spark_factors

SIDES = ("row", "column")


class CollectiveMatrixFactorization(Recommending, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """`P ≈ μ + b + c + U Vᵀ` from the known entries of `P`, and side information that shares `U` and `V`.

    Minimizes, by turns over the rows `U` and the columns `V`,

        Σ_known (p_ij - μ - b_i - c_j - u_i·v_j)² + λ1 Σ_i n_i (|u_i|² + b_i²) + λ2 Σ_j n_j (|v_j|² + c_j²)
            + w1 |X - [U b] Cᵀ|² + w2 |Y - [V c] Dᵀ|² + λ1 Σ_f n_f |C_f|² + λ2 Σ_f n_f |D_f|²

    with `X` and `Y` the centered features of rows and columns (Singh and Gordon, KDD 2008), which say something of
    biases as well. `n_i` is the number of known entries (Zhou et al., AAIM 2008), or 1 with
    `weighted_regularization=False`; one who has none counts as the mean. Implicit feedback (Hu, Koren and Volinsky,
    ICDM 2008) has the target 1 with weight `1 + alpha · strength` where the strength is above 0, 0 with weight 1
    everywhere else, and no biases: a strength of 0 and an absent entry are the same. A row or column without ratings
    gets its factors from its features alone; without features too, they are 0.

    Args:
        n_components: Number of factors, k. More than the smaller side of the matrix are no use, and an error.
        feedback: "explicit" (ratings) or "implicit" (strengths from 0, such as counts; 0 means not observed).
        alpha: Of implicit feedback, how much a strength of 1 adds to the weight.
        regularization: λ, or `(λ1, λ2)` of rows and columns. At 0, rows whose entries leave their factors open get
            those of least norm.
        weighted_regularization: Whether λ is multiplied by the number of entries.
        biases: Whether rows and columns have an offset each, and all one in common; of explicit feedback only.
        side_info_weight: w, or `(w1, w2)` of the features of rows and columns.
        unobserved: "zero" or "missing": what the entries are that a sparse matrix of features does not store. Of a
            dense one, NaN is missing.
        nonnegative: Whether U and V are at least 0; biases and loadings stay free. Solved exactly.
        solver: "cg" (3 steps of conjugate gradients from the last solution: Takács et al., RecSys 2011) or "cholesky"
            (exact).
        engine: "numpy"; or "spark", `pyspark.ml`'s ALS on the active Spark session (extra `[spark]`), where one
            machine is too slow. Ratings and factors pass through the driver's memory. It learns offsets first and
            factors of what these leave, which fits less well than both at once; it runs all iterations, and takes no
            features, held-out ratings and `partial_fit`.
        max_iter: Most iterations, of two half-steps each.
        tol: Stop once an iteration lowers the objective by a smaller share than this; 0 for never.
        validation_fraction: Share of the entries to hold out and to stop by; 0 for none. Those are not learned from.
        patience: Iterations without a better held-out score before it stops; the best factors are kept.
        duplicate_policy: What becomes of ratings that repeat a row and column: their "mean" (with a warning), "sum",
            "last", or an "error".
        dtype: "float32" or "float64".
        n_jobs: Threads; -1 for all processors.
        random_state: Seed of the start and of what is held out.
        verbose: Whether to print every half-step.
        callback: Called after every half-step with the entry of `history_`; stops the fit by returning True.

    Attributes:
        row_factors_, column_factors_: `(n, k)` and `(m, k)`.
        row_bias_, column_bias_: `(n,)` and `(m,)`; zeros without biases.
        mean_: μ.
        row_ids_, column_ids_: `pandas.Index` of the ids, in the order of the factors.
        row_loadings_, column_loadings_: `(F, k)` of the features, with biases `(F, k + 1)`; or None.
        row_means_, column_means_: `(F,)`, the means of the features, or None.
        ratings_: `scipy.sparse.csr_array` `(n, m)` of all that was learned from or held out; of implicit feedback,
            the strengths above 0.
        history_: A dict for every half-step: iteration, half, objective; held_out after the second. Spark tells none.

    Example:

    ```python
    ratings = pd.DataFrame({"user": ["ann", "ann", "bob"], "film": ["Alien", "Up", "Up"], "stars": [5, 2, 4]})
    model = CollectiveMatrixFactorization(n_components=2, random_state=0).fit(ratings)
    model.predict(["bob"], ["Alien"])  # array of one rating
    ids, scores = model.recommend("bob", 1)
    ```
    """

    def __init__(
        self,
        n_components=32,
        *,
        feedback="explicit",
        alpha=1.0,
        regularization=0.06,
        weighted_regularization=True,
        biases=True,
        side_info_weight=1.0,
        unobserved="zero",
        nonnegative=False,
        solver="cg",
        engine="numpy",
        max_iter=20,
        tol=1e-4,
        validation_fraction=0.0,
        patience=2,
        duplicate_policy="mean",
        dtype="float32",
        n_jobs=-1,
        random_state=None,
        verbose=False,
        callback=None,
    ):
        self.n_components = n_components
        self.feedback = feedback
        self.alpha = alpha
        self.regularization = regularization
        self.weighted_regularization = weighted_regularization
        self.biases = biases
        self.side_info_weight = side_info_weight
        self.unobserved = unobserved
        self.nonnegative = nonnegative
        self.solver = solver
        self.engine = engine
        self.max_iter = max_iter
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.duplicate_policy = duplicate_policy
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def fit(self, X, y=None, *, row_features=None, column_features=None):
        """Learn the factors.

        Args:
            X: Ratings: a DataFrame of row id, column id, rating; a SciPy sparse matrix, whose stored entries are the
                known ones, zeros too; or a 2-D array with NaN for what is unknown. In implicit feedback a 0 is not an
                observation, in any of these forms.
            y: Ignored.
            row_features: Side information of the rows: a DataFrame indexed by id; `(ids, matrix)`; or, if `X` is a
                matrix, a matrix in its order. Ids that `X` lacks are learned from their features alone.
            column_features: The same of the columns.

        Returns:
            self.

        Raises:
            ValueError, TypeError: What is wrong with an argument, and where.
        """
        self._check_options()
        if self.engine == "spark":
            check_spark(self, (row_features, column_features))
        for name in ("row_factors_", "_features", "_means"):
            vars(self).pop(name, None)
        self._learn(X, row_features, column_features, self.max_iter)
        return self

    def partial_fit(self, X, y=None, *, row_features=None, column_features=None):
        """Learn from further ratings: one iteration over all of them, from the factors so far.

        Ids that are new get rows and columns of their own. A rating of a pair that has one replaces it, as do
        features of an id that has some. Called first, it is the first iteration of a fit. The offset that all have in
        common and the means of the features stay those of the first call; nothing is held out.
        """
        self._check_options()
        if self.engine == "spark":
            raise ValueError("Spark's ALS has no partial_fit. Fit again on all ratings.")
        before = dict(vars(self))
        try:
            self._learn(X, row_features, column_features, 1)
        except BaseException:
            # What cannot be learned from leaves the model as it was.
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def transform(self, X=None, *, row_features=None):
        """Factors of rows, new or not, out of their ratings and features; nothing is learned.

        Args:
            X: Their ratings, in a form that `fit` takes; the columns must be known from the fit. Row ids are any.
            row_features: Their features, likewise; without `X`, the cold start from features alone.

        Returns:
            float `(rows, k)`, and with biases a last column, the bias; of a table in the order in which its ids
            appear first (`X`'s before the features').
        """
        return self._fold_in(0, X, row_features)

    def transform_columns(self, X=None, *, column_features=None):
        """The same for columns: ratings by rows known from the fit, features, or both; `(columns, k or k + 1)`."""
        return self._fold_in(1, X, column_features)

    def _check_options(self):
        check_choice(
            self,
            feedback=("explicit", "implicit"),
            solver=("cg", "cholesky"),
            engine=("numpy", "spark"),
            unobserved=("zero", "missing"),
            duplicate_policy=MERGES,
            dtype=("float32", "float64"),
        )
        check_count(self, "n_components", "max_iter", "patience")
        check_numbers(self, "regularization", "side_info_weight")
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r}; it is a number above 0.")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction={self.validation_fraction!r}; it is a share from 0 to below 1.")

    @property
    def _implicit(self):
        return self.feedback == "implicit"

    @property
    def _has_biases(self):
        return bool(self.biases) and not self._implicit

    def _learn(self, X, row_features, column_features, iterations):
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
                f"n_components={self.n_components} is more than the matrix of {shape[0]:,} x {shape[1]:,} can have; "
                f"set it to at most {min(shape)}."
            )
        places = [places_of(ids, index[s], SIDES[s]) for s, ids in enumerate((triples.rows, triples.columns))]
        entries = self._entries(*(place.astype(np.int32) for place in places), triples.values, shape, first)
        del triples, places
        held_out = None
        if first and self.validation_fraction and iterations > 1:
            held = random.random_sample(len(entries.values)) < self.validation_fraction
            if held.all() or not held.any():
                raise ValueError(
                    f"validation_fraction={self.validation_fraction} of {len(held):,} ratings holds out "
                    f"{held.sum():,}; at least one is needed to learn from and one to stop by."
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
        if self.engine == "spark":
            self.row_ids_, self.column_ids_, self._features, self._means = *index, features, means
            self._learn_on_spark(entries, random)
            return
        sides = [self._side(s, counts[s], features[s], means[s]) for s in (0, 1)]
        for s, side in enumerate(sides):
            self._start(s, side, old_shape[s], random)
        listed = self._observations(entries)
        sides[0].plan(listed)
        sides[1].plan(listed.transpose())
        del listed, entries
        self.row_ids_, self.column_ids_, self._features = *index, features
        self._means = [None if side.block is None else side.block.mean for side in sides]
        self._alternate(sides, iterations, held_out)

    def _learn_on_spark(self, entries, random):
        centered = dataclasses.replace(entries, values=entries.values - entries.values.dtype.type(self.mean_))
        found = spark_factors(self, centered, self._has_biases, int(random.randint(2**31 - 1)))
        for name, (factors, bias) in zip(SIDES, found, strict=True):
            kept = {"factors_": factors, "bias_": bias, "loadings_": None, "means_": None}
            for what, value in kept.items():
                setattr(self, f"{name}_{what}", value)

    def _entries(self, rows, columns, values, shape, first):
        """All ratings, those of before replaced by newer ones; they are kept as `ratings_`."""
        rows, columns, values = merge(rows, columns, values, shape, self.duplicate_policy)
        if not first:
            old = self.ratings_.tocoo()
            rows, columns = np.concatenate([old.row, rows]), np.concatenate([old.col, columns])
            rows, columns, values = merge(rows, columns, np.concatenate([old.data, values]), shape, "last")
        entries = Entries.sort(*self._observed(rows, columns, values), None, shape)
        values = entries.values
        if not len(values):
            raise ValueError("every strength of the implicit feedback is 0; at least one must be above 0.")
        starts = np.append(entries.starts, len(values)).astype(entries.starts.dtype)
        self.ratings_ = sparse.csr_array((entries.values, entries.columns, starts), shape=shape)
        return entries

    def _observed(self, rows, columns, values):
        """The entries without those that say nothing: in implicit feedback, strengths of 0."""
        if not self._implicit:
            return rows, columns, values
        positive = values > 0
        return rows[positive], columns[positive], values[positive]

    def _observations(self, entries):
        """Targets and weights of ratings."""
        if self._implicit:
            ones = np.ones_like(entries.values)
            weights = 1 + entries.values.dtype.type(self.alpha) * entries.values
            return Entries(entries.starts, entries.counts, entries.columns, ones, weights, entries.shape)
        centered = entries.values - entries.values.dtype.type(self.mean_)
        return Entries(entries.starts, entries.counts, entries.columns, centered, None, entries.shape)

    def _side(self, s, counts, features, mean):
        """One side with its ridge and its features, and factors of 0."""
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

    def _start(self, s, side, known, random):
        """The factors that a side starts from: what is known of it, and small random numbers for new columns."""
        k = self.n_components
        if known:
            side.factors[:known, :k] = getattr(self, f"{SIDES[s]}_factors_")
            side.factors[:known, k:] = getattr(self, f"{SIDES[s]}_bias_")[:, None] if self._has_biases else 0
            old = getattr(self, f"{SIDES[s]}_loadings_")
            if old is not None:
                side.loadings = old
        if s == 1:
            new = random.standard_normal((len(side.factors) - known, k)) / np.sqrt(k)
            side.factors[known:, :k] = np.abs(new) if self.nonnegative else new

    def _alternate(self, sides, iterations, held_out):
        best, waited, before = None, 0, np.finfo(np.float64).max
        with workers(self.n_jobs) as pool:
            alternation = Alternation(pool, self._has_biases, self._implicit, self.nonnegative, self.solver)
            for _ in range(iterations):
                stopped = False
                for s in (0, 1):
                    objective = alternation.update(sides[s], sides[1 - s])
                    entry = {"iteration": len(self.history_) // 2 + 1, "half": f"{SIDES[s]}s", "objective": objective}
                    if s and held_out:
                        self._keep(sides)
                        entry["held_out"] = self._score_places(*held_out)
                    stopped = self._tell(entry) or stopped
                if held_out and (best is None or entry["held_out"] > best[0]):
                    best, waited = (entry["held_out"], [(side.factors, side.loadings) for side in sides]), 0
                else:
                    waited += 1
                still = self.tol > 0 and before - objective < self.tol * abs(before)
                before = objective
                if stopped or still or (held_out and waited >= self.patience):
                    break
        if best:
            for side, (factors, loadings) in zip(sides, best[1], strict=True):
                side.factors, side.loadings = factors, loadings
        self._keep(sides)

    def _tell(self, entry):
        self.history_.append(entry)
        if self.verbose:
            held = f"  held out {entry['held_out']:.5f}" if "held_out" in entry else ""
            print(f"iteration {entry['iteration']:3} {entry['half']:8} objective {entry['objective']:.6g}{held}")
        return self.callback is not None and self.callback(entry) is True

    def _keep(self, sides):
        """Take the factors of both sides over as the model's."""
        k = self.n_components
        for name, side in zip(SIDES, sides, strict=True):
            setattr(self, f"{name}_factors_", np.ascontiguousarray(side.factors[:, :k]))
            setattr(self, f"{name}_bias_", side.factors[:, k:].sum(axis=1))
            setattr(self, f"{name}_loadings_", None if side.block is None else side.loadings)
            setattr(self, f"{name}_means_", None if side.block is None else side.block.mean)

    def _fold_in(self, s, X, given):
        check_is_fitted(self, "row_factors_")
        what, name = SIDES[s], f"{SIDES[s]}_features"
        if X is None and given is None:
            raise ValueError(f"give the {what}s' ratings, their {name}, or both.")
        loadings = getattr(self, f"{what}_loadings_")
        if given is not None and loadings is None:
            raise ValueError(f"{name} was not given in fit, so nothing was learned of such features.")
        index, features, known = None, None, (self.row_ids_, self.column_ids_)[1 - s]
        if X is not None:
            triples = read_triples(X, self.dtype, self._implicit)
            ids = (triples.rows, triples.columns)
            index = grow(None, ids[s], triples.shape[s] if triples.shape else None)
        if given is not None:
            index, *features = read_features(given, index, what, self.dtype)
            if features[0].shape[1] != len(loadings):
                raise ValueError(f"{name} has {features[0].shape[1]} columns; in fit it had {len(loadings)}.")
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
    """Features of before, with the rows that are given anew in their place."""
    if old is None:
        return [matrix, present]
    before, had = old
    if matrix.shape[1] != before.shape[1]:
        raise ValueError(f"{what}_features has {matrix.shape[1]} columns; in fit it had {before.shape[1]}.")
    if sparse.issparse(matrix) != sparse.issparse(before):
        raise ValueError(
            f"{what}_features was {'sparse' if sparse.issparse(before) else 'dense'} in fit; it must be again."
        )
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
