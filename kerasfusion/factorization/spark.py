"""Matrix factorization by the alternating least squares of Spark, on one or more machines."""

import dataclasses

import numpy as np

from kerasfusion.factorization.matrix import SIDES, MatrixFactorization
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers
from kerasfusion.factorization.ratings import MERGES

BIAS_ITERATIONS = 10
# Spark's ALS checkpoints its factors every so many iterations; the lineage of its RDDs grows in between.
CHECKPOINT_INTERVAL = 10


class SparkMatrixFactorization(MatrixFactorization):
    """Matrix factorization `P ≈ μ + b + c + U Vᵀ` by `pyspark.ml`'s ALS on the active Spark session.

    Minimizes the objective of `CollectiveMatrixFactorization` without features, with weighted regularization, in
    float32. Biases are fitted first and factors to their residual, which fits slightly worse than fitting them
    jointly. Ratings and factors pass through the memory of the driver. Requires the extra `[spark]` and Java.

    Args:
        n_components: int, number of factors `k`. Defaults to `32`.
        feedback: `"explicit"` (ratings) or `"implicit"` (nonnegative strengths such as counts; 0 is not an
            observation). Defaults to `"explicit"`.
        alpha: float, weight added per unit of strength in implicit feedback. Defaults to `1.0`.
        regularization: float, λ. Defaults to `0.06`.
        biases: Whether to use a bias per row and column and a global mean. Explicit feedback only. Defaults to
            `True`.
        nonnegative: Whether U and V are constrained to be at least 0. Defaults to `False`.
        max_iter: int, number of iterations. More than 10 need a checkpoint folder of the Spark session. Defaults to
            `20`.
        duplicate_policy: How to merge ratings with the same row and column: `"mean"` (with a warning), `"sum"`,
            `"last"` or `"error"`. Defaults to `"mean"`.
        n_jobs: int, number of threads of `transform`; -1 uses all processors. Defaults to `-1`.
        random_state: Seed of the initial factors. Defaults to `None`.

    Attributes:
        row_factors_, column_factors_: `(n, k)` and `(m, k)`.
        row_bias_, column_bias_: `(n,)` and `(m,)`; zeros without biases.
        mean_: float, μ.
        row_ids_, column_ids_: `pandas.Index` of the ids, in the order of the factors.
        ratings_: `scipy.sparse.csr_array` `(n, m)`, all ratings.

    Example:

    ```python
    with SparkSession.builder.master("spark://cluster:7077").getOrCreate():
        model = SparkMatrixFactorization(n_components=64, max_iter=10).fit(ratings)
    ids, scores = model.recommend("bob", 10)
    ```
    """

    # Fixed by Spark's ALS; `transform` uses the same values.
    weighted_regularization, unobserved, side_info_weight = True, "zero", 1.0
    validation_fraction, dtype = 0.0, "float32"

    def __init__(
        self,
        n_components=32,
        *,
        feedback="explicit",
        alpha=1.0,
        regularization=0.06,
        biases=True,
        nonnegative=False,
        max_iter=20,
        duplicate_policy="mean",
        n_jobs=-1,
        random_state=None,
    ):
        self.n_components = n_components
        self.feedback = feedback
        self.alpha = alpha
        self.regularization = regularization
        self.biases = biases
        self.nonnegative = nonnegative
        self.max_iter = max_iter
        self.duplicate_policy = duplicate_policy
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit the factors.

        Args:
            X: Ratings, as in `CollectiveMatrixFactorization.fit`.
            y: Ignored.

        Returns:
            self

        Raises:
            ImportError: If pyspark or pyarrow is not installed.
            ValueError: If a parameter or rating is invalid, there is no active session, or it has no checkpoint
                folder.
        """
        check_choice(self, feedback=("explicit", "implicit"), duplicate_policy=MERGES)
        check_count(self, "n_components", "max_iter")
        check_numbers(self, "regularization")
        if np.ndim(self.regularization):
            raise ValueError(
                "regularization must be a single number: Spark's ALS has one regularization for rows and columns."
            )
        if not self.alpha > 0:
            raise ValueError(f"alpha must be a number above 0. Received: alpha={self.alpha!r}")
        for name in ("row_factors_", "_features", "_means"):
            vars(self).pop(name, None)
        self._learn(X, iterations=self.max_iter)
        return self

    def _learn_factors(self, entries, held_out, old_shape, random, iterations):
        centered = dataclasses.replace(entries, values=entries.values - entries.values.dtype.type(self.mean_))
        found = spark_factors(self, centered, self._has_biases, int(random.randint(2**31 - 1)))
        for name, (factors, bias) in zip(SIDES, found, strict=True):
            kept = {"factors_": factors, "bias_": bias, "loadings_": None, "means_": None}
            for what, value in kept.items():
                setattr(self, f"{name}_{what}", value)


def spark_factors(estimator, entries, biases, seed):
    """Fit biases with NumPy, then factors of the residual with Spark.

    Args:
        estimator: `SparkMatrixFactorization`.
        entries: `Entries`, ratings minus their mean, or strengths of implicit feedback.
        biases: Whether to fit biases.
        seed: int, seed of the initial factors.

    Returns:
        Two tuples `(factors, bias)`, for rows and columns: float32 `(n, k)` and `(n,)`; zeros without entries.

    Raises:
        ImportError: If pyspark or pyarrow is not installed.
        ValueError: If there is no active session, or it has no checkpoint folder.
    """
    try:
        import pyarrow
        from pyspark.ml.recommendation import ALS
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ImportError(
            "SparkMatrixFactorization requires pyspark, pyarrow and Java: pip install 'kerasfusion[spark]'."
        ) from error
    strength = estimator.regularization
    offsets = fit_biases(entries, strength) if biases else [np.zeros(n, "float32") for n in entries.shape]
    left = entries.values - offsets[0][entries.rows] - offsets[1][entries.columns]
    session = SparkSession.getActiveSession()
    if session is None:
        raise ValueError(
            "SparkMatrixFactorization needs an active session: pyspark.sql.SparkSession.builder...getOrCreate()."
        )
    if estimator.max_iter > CHECKPOINT_INTERVAL and session.sparkContext.getCheckpointDir() is None:
        raise ValueError(
            f"More than {CHECKPOINT_INTERVAL} iterations overflow the stack of Spark's processes without "
            "checkpoints. Set a folder that all machines can access: session.sparkContext.setCheckpointDir(folder)."
        )
    table = pyarrow.table({"row": entries.rows, "column": entries.columns, "value": left})
    model = ALS(
        rank=estimator.n_components,
        maxIter=estimator.max_iter,
        regParam=strength,
        implicitPrefs=estimator.feedback == "implicit",
        alpha=float(estimator.alpha),
        nonnegative=estimator.nonnegative,
        checkpointInterval=CHECKPOINT_INTERVAL,
        seed=seed,
        userCol="row",
        itemCol="column",
        ratingCol="value",
    ).fit(session.createDataFrame(table))
    sides = []
    for found, count, bias in zip((model.userFactors, model.itemFactors), entries.shape, offsets, strict=True):
        rows = found.collect()
        factors = np.zeros((count, estimator.n_components), "float32")
        factors[[row["id"] for row in rows]] = [row["features"] for row in rows]
        sides.append((factors, bias))
    return sides


def fit_biases(entries, strength):
    """Fit a regularized bias per row and per column by alternating least squares."""
    rows, columns = entries.rows, entries.columns
    offsets = [np.zeros(n) for n in entries.shape]
    counts = [
        np.maximum(np.bincount(of, minlength=len(b)), 1) for of, b in zip((rows, columns), offsets, strict=True)
    ]
    for _ in range(BIAS_ITERATIONS):
        for s, (own, other) in enumerate(((rows, columns), (columns, rows))):
            total = np.bincount(own, entries.values - offsets[1 - s][other], minlength=len(offsets[s]))
            offsets[s] = total / ((1 + strength) * counts[s])
    return [part.astype("float32") for part in offsets]
