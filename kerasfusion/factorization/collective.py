"""Collective matrix factorization by alternating least squares."""

import numpy as np

from kerasfusion.factorization.als import Alternation
from kerasfusion.factorization.als_step import workers
from kerasfusion.factorization.matrix import SIDES, MatrixFactorization
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers
from kerasfusion.factorization.ratings import MERGES


class CollectiveMatrixFactorization(MatrixFactorization):
    """Collective matrix factorization: `P ≈ μ + b + c + U Vᵀ`, with side information that shares `U` and `V`.

    Alternating least squares over rows and columns minimizes

        Σ_known (p_ij - μ - b_i - c_j - u_i·v_j)² + λ1 Σ_i n_i (|u_i|² + b_i²) + λ2 Σ_j n_j (|v_j|² + c_j²)
            + w1 |X - [U b] Cᵀ|² + w2 |Y - [V c] Dᵀ|² + λ1 Σ_f n_f |C_f|² + λ2 Σ_f n_f |D_f|²

    where `X` and `Y` are the centered features of rows and columns (Singh and Gordon, KDD 2008); they also inform the
    biases. `n_i` is the number of known entries (Zhou et al., AAIM 2008), or 1 with `weighted_regularization=False`;
    for a row or column without entries it is the mean count.

    Implicit feedback (Hu, Koren and Volinsky, ICDM 2008) has target 1 with weight `1 + alpha · strength` where the
    strength is above 0, target 0 with weight 1 everywhere else, and no biases. A strength of 0 equals an absent
    entry.

    A row or column without ratings gets its factors from its features; without features, they are 0.

    Args:
        n_components: int, number of factors `k`, at most the smaller side of the matrix. Defaults to `32`.
        feedback: `"explicit"` (ratings) or `"implicit"` (nonnegative strengths such as counts; 0 is not an
            observation). Defaults to `"explicit"`.
        alpha: float, weight added per unit of strength in implicit feedback. Defaults to `1.0`.
        regularization: float λ, or a tuple `(λ1, λ2)` for rows and columns. At 0, underdetermined factors get the
            minimum-norm solution. Defaults to `0.06`.
        weighted_regularization: Whether to multiply λ by the number of entries. Defaults to `True`.
        biases: Whether to use a bias per row and column and a global mean. Explicit feedback only. Defaults to
            `True`.
        side_info_weight: float w, or a tuple `(w1, w2)` for row and column features. Defaults to `1.0`.
        unobserved: `"zero"` or `"missing"`, the meaning of entries that a sparse feature matrix does not store. In a
            dense one, NaN is missing. Defaults to `"zero"`.
        nonnegative: Whether U and V are constrained to be at least 0, solved exactly. Biases and loadings are
            unconstrained. Defaults to `False`.
        solver: `"cg"` (3 steps of conjugate gradients from the last solution, Takács et al., RecSys 2011) or
            `"cholesky"` (exact). Defaults to `"cg"`.
        max_iter: int, maximum number of iterations. Defaults to `20`.
        tol: float. Stop when an iteration decreases the objective by less than this fraction; 0 never stops early.
            Defaults to `1e-4`.
        validation_fraction: float, fraction of the entries to hold out for early stopping. Defaults to `0.0`.
        patience: int, iterations without improvement of the held-out score before stopping. The best factors are
            restored. Defaults to `2`.
        duplicate_policy: How to merge ratings with the same row and column: `"mean"` (with a warning), `"sum"`,
            `"last"` or `"error"`. Defaults to `"mean"`.
        dtype: `"float32"` or `"float64"`. Defaults to `"float32"`.
        n_jobs: int, number of threads; -1 uses all processors. Defaults to `-1`.
        random_state: Seed of the initial factors and of the held-out entries. Defaults to `None`.
        verbose: Whether to print each half-step. Defaults to `False`.
        callback: Function called with the entry of `history_` after each half-step. Training stops if it returns
            `True`. Defaults to `None`.

    Attributes:
        row_factors_, column_factors_: `(n, k)` and `(m, k)`.
        row_bias_, column_bias_: `(n,)` and `(m,)`; zeros without biases.
        mean_: float, μ.
        row_ids_, column_ids_: `pandas.Index` of the ids, in the order of the factors.
        row_loadings_, column_loadings_: `(F, k)`, or `(F, k + 1)` with biases; `None` without features.
        row_means_, column_means_: `(F,)`, feature means; `None` without features.
        ratings_: `scipy.sparse.csr_array` `(n, m)`, all ratings, including held-out ones. For implicit feedback, the
            strengths above 0.
        history_: List with a dict per half-step: iteration, half, objective, and held_out after the second half-step.

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
        """Fit the factors.

        Args:
            X: Ratings: a DataFrame with the columns row id, column id and rating; a SciPy sparse matrix, whose stored
                entries are known, including zeros; or a 2-D array with NaN for unknown entries. In implicit feedback,
                a 0 is not an observation.
            y: Ignored.
            row_features: Side information of the rows: a DataFrame indexed by id; a tuple `(ids, matrix)`; or, if `X`
                is a matrix, a matrix with its rows. Ids without ratings are fitted from their features. Defaults to
                `None`.
            column_features: Side information of the columns, likewise. Defaults to `None`.

        Returns:
            self

        Raises:
            ValueError, TypeError: If an argument is invalid. The message names the entry.
        """
        self._check_options()
        for name in ("row_factors_", "_features", "_means"):
            vars(self).pop(name, None)
        self._learn(X, row_features, column_features, self.max_iter)
        return self

    def partial_fit(self, X, y=None, *, row_features=None, column_features=None):
        """Update the model with more ratings: one iteration over all ratings, starting from the current factors.

        New ids get rows and columns of their own. New ratings and features replace earlier ones of the same ids. The
        global mean and the feature means stay those of the first call, and no entries are held out. If the model is
        not fitted, this is the first iteration of `fit`.

        Args:
            X: Ratings, as in `fit`.
            y: Ignored.
            row_features: As in `fit`.
            column_features: As in `fit`.

        Returns:
            self

        Raises:
            ValueError, TypeError: If an argument is invalid. The model is then unchanged.
        """
        self._check_options()
        before = dict(vars(self))
        try:
            self._learn(X, row_features, column_features, 1)
        except BaseException:
            # Invalid input leaves the model unchanged.
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _check_options(self):
        check_choice(
            self,
            feedback=("explicit", "implicit"),
            solver=("cg", "cholesky"),
            unobserved=("zero", "missing"),
            duplicate_policy=MERGES,
            dtype=("float32", "float64"),
        )
        check_count(self, "n_components", "max_iter", "patience")
        check_numbers(self, "regularization", "side_info_weight")
        if not self.alpha > 0:
            raise ValueError(f"alpha must be a number above 0. Received: alpha={self.alpha!r}")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be in [0, 1). Received: validation_fraction={self.validation_fraction!r}"
            )

    def _learn_factors(self, entries, held_out, old_shape, random, iterations):
        counts = [entries.counts, np.bincount(entries.columns, minlength=entries.shape[1])]
        sides = [self._side(s, counts[s], self._features[s], self._means[s]) for s in (0, 1)]
        for s, side in enumerate(sides):
            self._start(s, side, old_shape[s], random)
        listed = self._observations(entries)
        sides[0].plan(listed)
        sides[1].plan(listed.transpose())
        del listed, entries
        self._means = [None if side.block is None else side.block.mean for side in sides]
        self._alternate(sides, iterations, held_out)

    def _start(self, s, side, known, random):
        """Initialize a side: known factors are kept, and new columns get small random values."""
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
                        self._store(sides)
                        entry["held_out"] = self._score_places(*held_out)
                    stopped = self._report(entry) or stopped
                if held_out and (best is None or entry["held_out"] > best[0]):
                    best, waited = (entry["held_out"], [(side.factors, side.loadings) for side in sides]), 0
                else:
                    waited += 1
                converged = self.tol > 0 and before - objective < self.tol * abs(before)
                before = objective
                if stopped or converged or (held_out and waited >= self.patience):
                    break
        if best:
            for side, (factors, loadings) in zip(sides, best[1], strict=True):
                side.factors, side.loadings = factors, loadings
        self._store(sides)

    def _report(self, entry):
        self.history_.append(entry)
        if self.verbose:
            held = f"  held out {entry['held_out']:.5f}" if "held_out" in entry else ""
            print(f"iteration {entry['iteration']:3} {entry['half']:8} objective {entry['objective']:.6g}{held}")
        return self.callback is not None and self.callback(entry) is True

    def _store(self, sides):
        """Store the factors of both sides as attributes."""
        k = self.n_components
        for name, side in zip(SIDES, sides, strict=True):
            setattr(self, f"{name}_factors_", np.ascontiguousarray(side.factors[:, :k]))
            setattr(self, f"{name}_bias_", side.factors[:, k:].sum(axis=1))
            setattr(self, f"{name}_loadings_", None if side.block is None else side.loadings)
            setattr(self, f"{name}_means_", None if side.block is None else side.block.mean)
