"""Collective matrix factorization by alternating least squares."""

import numpy as np

from kerasfusion.factorization.als import Alternation
from kerasfusion.factorization.als_step import workers
from kerasfusion.factorization.matrix import SIDES, MatrixFactorization
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers
from kerasfusion.factorization.ratings import MERGES


class CollectiveMatrixFactorization(MatrixFactorization):
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
        history_: A dict for every half-step: iteration, half, objective; held_out after the second.

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
        before = dict(vars(self))
        try:
            self._learn(X, row_features, column_features, 1)
        except BaseException:
            # What cannot be learned from leaves the model as it was.
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
            raise ValueError(f"alpha={self.alpha!r}; it is a number above 0.")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction={self.validation_fraction!r}; it is a share from 0 to below 1.")

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
