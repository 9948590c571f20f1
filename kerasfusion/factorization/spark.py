"""The same factorization by Spark's alternating least squares, on as many machines as a Spark session has."""

import dataclasses

import numpy as np

from kerasfusion.factorization.matrix import SIDES, MatrixFactorization
from kerasfusion.factorization.param_validation import check_choice, check_count, check_numbers
from kerasfusion.factorization.ratings import MERGES

OFFSET_ROUNDS = 10
# Iterations after which Spark's ALS writes its factors down; what leads to them grows until then.
CHECKPOINT_INTERVAL = 10


class SparkMatrixFactorization(MatrixFactorization):
    """`P ≈ μ + b + c + U Vᵀ` by `pyspark.ml`'s ALS on the active Spark session, for more than one machine's work.

    Minimizes what `CollectiveMatrixFactorization` does without features, with λ times the number of entries, in
    float32. Offsets are learned first and factors of what these leave, which fits less well than both at once. All
    iterations are run. Ratings and factors pass through the driver's memory. Needs the extra `[spark]` and Java.

    Args:
        n_components: Number of factors, k.
        feedback: "explicit" (ratings) or "implicit" (strengths from 0, such as counts; 0 means not observed).
        alpha: Of implicit feedback, how much a strength of 1 adds to the weight.
        regularization: λ of rows and columns.
        biases: Whether rows and columns have an offset each, and all one in common; of explicit feedback only.
        nonnegative: Whether U and V are at least 0.
        max_iter: Iterations. More than 10 need a checkpoint folder of the Spark session.
        duplicate_policy: What becomes of ratings that repeat a row and column: their "mean" (with a warning), "sum",
            "last", or an "error".
        n_jobs: Threads of `transform`; -1 for all processors.
        random_state: Seed of Spark's start.

    Attributes:
        row_factors_, column_factors_: `(n, k)` and `(m, k)`.
        row_bias_, column_bias_: `(n,)` and `(m,)`; zeros without biases.
        mean_: μ.
        row_ids_, column_ids_: `pandas.Index` of the ids, in the order of the factors.
        ratings_: `scipy.sparse.csr_array` `(n, m)` of all that was learned from.

    Example:

    ```python
    with SparkSession.builder.master("spark://cluster:7077").getOrCreate():
        model = SparkMatrixFactorization(n_components=64, max_iter=10).fit(ratings)
    ids, scores = model.recommend("bob", 10)
    ```
    """

    # What Spark's ALS has no choice of; `transform` follows it too.
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
        """Learn the factors.

        Args:
            X: Ratings, as for `CollectiveMatrixFactorization.fit`.
            y: Ignored.

        Returns:
            self.

        Raises:
            ImportError: pyspark or pyarrow is not installed.
            ValueError: A parameter or a rating is wrong, there is no active session, or it lacks a folder for
                checkpoints.
        """
        check_choice(self, feedback=("explicit", "implicit"), duplicate_policy=MERGES)
        check_count(self, "n_components", "max_iter")
        check_numbers(self, "regularization")
        if np.ndim(self.regularization):
            raise ValueError("Spark's ALS has one regularization for rows and columns.")
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r}; it is a number above 0.")
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
    """Learn offsets here, then factors of what they leave by Spark.

    Args:
        estimator: A `SparkMatrixFactorization`.
        entries: `Entries`: ratings from which the mean is taken, or strengths of implicit feedback.
        biases: Whether there are offsets.
        seed: int, of Spark's start.

    Returns:
        Two pairs `(factors, bias)`, of the rows and of the columns: float32 `(n, k)` and `(n,)`; zeros for one that
        has no entries.

    Raises:
        ImportError: pyspark or pyarrow is not installed.
        ValueError: There is no session, or it lacks a folder for checkpoints.
    """
    try:
        import pyarrow
        from pyspark.ml.recommendation import ALS
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ImportError(
            "SparkMatrixFactorization needs pyspark and pyarrow: pip install 'kerasfusion[spark]', and Java."
        ) from error
    strength = estimator.regularization
    offsets = learn_offsets(entries, strength) if biases else [np.zeros(n, "float32") for n in entries.shape]
    left = entries.values - offsets[0][entries.rows] - offsets[1][entries.columns]
    session = SparkSession.getActiveSession()
    if session is None:
        raise ValueError(
            "SparkMatrixFactorization needs an active session: pyspark.sql.SparkSession.builder...getOrCreate()."
        )
    if estimator.max_iter > CHECKPOINT_INTERVAL and session.sparkContext.getCheckpointDir() is None:
        raise ValueError(
            f"more than {CHECKPOINT_INTERVAL} iterations overflow the stack of Spark's processes, unless they may "
            "write checkpoints: session.sparkContext.setCheckpointDir(a folder that all of its machines reach)."
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


def learn_offsets(entries, strength):
    """One number for each row and each column, regularized as the factors are: by turns, like them."""
    rows, columns = entries.rows, entries.columns
    offsets = [np.zeros(n) for n in entries.shape]
    counts = [
        np.maximum(np.bincount(of, minlength=len(b)), 1) for of, b in zip((rows, columns), offsets, strict=True)
    ]
    for _ in range(OFFSET_ROUNDS):
        for s, (own, other) in enumerate(((rows, columns), (columns, rows))):
            total = np.bincount(own, entries.values - offsets[1 - s][other], minlength=len(offsets[s]))
            offsets[s] = total / ((1 + strength) * counts[s])
    return [part.astype("float32") for part in offsets]
