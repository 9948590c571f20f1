"""The same factorization by Spark's alternating least squares, on as many machines as a Spark session has."""

import numpy as np

from kerasfusion.factorization.param_validation import pair

OFFSET_ROUNDS = 10
# Iterations after which Spark's ALS writes its factors down; what leads to them grows until then.
CHECKPOINT_INTERVAL = 10


def check_spark(estimator, features):
    """Refuse what Spark's ALS cannot do.

    Args:
        estimator: A `CollectiveMatrixFactorization`.
        features: The features given with the ratings.

    Raises:
        ValueError: Which option, and what to set instead.
    """
    first, second = pair(estimator.regularization, "regularization")
    for wrong, what in (
        (any(given is not None for given in features), "takes no row_features and column_features"),
        (first != second, "has one regularization for rows and columns"),
        (
            not estimator.weighted_regularization,
            "always scales the regularization by the number of entries (weighted_regularization=True)",
        ),
        (estimator.validation_fraction, "holds nothing out (validation_fraction=0)"),
        (estimator.callback is not None, "calls nothing between its steps (callback=None)"),
        (estimator.dtype != "float32", "computes in float32 (dtype='float32')"),
    ):
        if wrong:
            raise ValueError(f"Spark's ALS {what}. For what it lacks there is engine='numpy'.")


def spark_factors(estimator, entries, biases, seed):
    """Learn offsets here, then factors of what they leave by Spark.

    Args:
        estimator: A `CollectiveMatrixFactorization`.
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
            "engine='spark' needs pyspark and pyarrow: pip install 'kerasfusion[spark]', and Java."
        ) from error
    strength = pair(estimator.regularization, "regularization")[0]
    offsets = learn_offsets(entries, strength) if biases else [np.zeros(n, "float32") for n in entries.shape]
    left = entries.values - offsets[0][entries.rows] - offsets[1][entries.columns]
    session = SparkSession.getActiveSession()
    if session is None:
        raise ValueError("engine='spark' needs an active session: pyspark.sql.SparkSession.builder...getOrCreate().")
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
