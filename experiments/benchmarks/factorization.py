"""Alternating least squares: seconds to an equal error, memory, and errors on MovieLens, against cmfrec and Spark.

    python experiments/benchmarks/factorization.py --data-dir DATA

*Speed*: synthetic ratings of MovieLens-1M's shape (6,040 x 3,706, one million, a tenth of them held out), k = 64.
Each side is a process of its own that fits when it is told to. The error to reach is 0.2 % above the largest held-out
RMSE that a side has after `--iterations`; each side's number of iterations is the least with which it is reached,
and those fits are timed, the sides taking turns; medians of `--rounds` rounds. Spark's ALS runs in a local session
with two threads, there before the clock starts; as it knows no offsets, `SparkMatrixFactorization` takes them away
first.
`--large` does the same once for 20 million ratings (138,493 x 26,744) with conjugate gradients and without Spark, and
records the processes' peak memory, the ratings included.

*Errors*: MovieLens latest-small in `DATA/movielens_latest_small`. A fifth of the ratings is held out; and a fifth of
the films with all their ratings, with genres and tags as side information and without. Both sides choose their
regularization (and the weight of side information) from one grid, by a fifth of what they learn from; means over
three splits.

cmfrec has to be built and Spark needs Java, so they may live in environments of their own: `--peer-python` and
`--spark-python` name the interpreters.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse

THREADS = 2
SHAPES = {"1M": (6_040, 3_706, 1_000_000), "20M": (138_493, 26_744, 20_000_000)}
LAMBDA = 0.06
GRID = (0.05, 0.1, 0.15, 0.2, 0.3)
SIDE_WEIGHTS = (8.0, 32.0, 128.0)
SEEDS = 3


def synthetic(n, m, count, seed=0):
    """Ratings with popular and unpopular rows and columns, offsets, 20 true factors and noise."""
    random = np.random.default_rng(seed)
    activity, popularity = random.lognormal(0, 1.1, n), random.lognormal(0, 1.5, m)
    keys = np.zeros(0, np.int64)
    while len(keys) < count:
        # Popular pairs are drawn again and again; twice what is missing makes few rounds.
        size = 2 * (count - len(keys)) if len(keys) else count
        rows = random.choice(n, size, p=activity / activity.sum())
        keys = np.unique(np.append(keys, rows * m + random.choice(m, size, p=popularity / popularity.sum())))
    rows, columns = np.divmod(random.permutation(keys)[:count], m)
    U = random.standard_normal((n, 20), np.float32) / np.sqrt(np.float32(20))
    V = random.standard_normal((m, 20), np.float32)
    values = 3.5 + 0.4 * random.standard_normal(n)[rows] + 0.5 * random.standard_normal(m)[columns]
    for start in range(0, count, 1_000_000):
        part = slice(start, start + 1_000_000)
        values[part] += 0.6 * np.einsum("ek,ek->e", U[rows[part]], V[columns[part]])
    values += 0.8 * random.standard_normal(count)
    return rows.astype(np.int32), columns.astype(np.int32), values.astype(np.float32)


def ours(k, solver="cg", strength=LAMBDA, max_iter=15, **settings):
    from kerasfusion.factorization import CollectiveMatrixFactorization

    settings = {"tol": 0, "n_jobs": THREADS, "random_state": 0, **settings}
    return CollectiveMatrixFactorization(k, solver=solver, regularization=strength, max_iter=max_iter, **settings)


def on_spark(k, solver, strength=LAMBDA, max_iter=15):
    from kerasfusion.factorization import SparkMatrixFactorization

    return SparkMatrixFactorization(k, regularization=strength, max_iter=max_iter, n_jobs=THREADS, random_state=0)


def theirs(k, solver="cg", strength=LAMBDA, max_iter=15, **settings):
    from cmfrec import CMF

    return CMF(
        k=k,
        lambda_=strength,
        scale_lam=True,
        use_cg=solver == "cg",
        finalize_chol=False,
        niter=max_iter,
        nthreads=THREADS,
        precompute_for_predictions=False,
        verbose=False,
        random_state=1,
        **settings,
    )


def rmse(model, rows, columns, values):
    return float(np.sqrt(np.mean((model.predict(rows, columns).astype(np.float64) - values) ** 2)))


def worker(folder, side, solver):
    """Fit when told to by a line with a number of iterations; answer with seconds, error and peak memory."""
    rows, columns, values = (np.load(f"{folder}/{name}.npy") for name in ("rows", "columns", "values"))
    held = len(values) // 10
    if side == "spark":
        from pyspark.sql import SparkSession

        # A gigabyte, its default, is too little for some fits after one another.
        settings = {"spark.driver.memory": "6g", "spark.driver.bindAddress": "127.0.0.1"}
        settings |= {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
        session = SparkSession.builder.master(f"local[{THREADS}]").config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
    matrix = sparse.coo_matrix((values[held:], (rows[held:], columns[held:])))
    make = {"kerasfusion": ours, "cmfrec": theirs, "spark": on_spark}[side]
    for line in sys.stdin:
        model = make(64, solver, max_iter=int(line))
        start = time.perf_counter()
        model.fit(matrix)
        seconds = time.perf_counter() - start
        # Before the predictions, which are not what is measured.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        known = (rows[:held] < matrix.shape[0]) & (columns[:held] < matrix.shape[1])
        error = rmse(model, rows[:held][known], columns[:held][known], values[:held][known])
        print(json.dumps({"seconds": seconds, "rmse": error, "gigabytes": peak}), flush=True)


class Side:
    """A process that fits when told to."""

    def __init__(self, python, folder, side, solver):
        self.name = f"{side} {solver}"
        command = [python, __file__, "--worker", str(folder), side, solver]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def fit(self, max_iter):
        self.process.stdin.write(f"{max_iter}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended before it answered; its own message is above.")
        return json.loads(answer)

    def least(self, target, most):
        """The fewest iterations whose error is at most the target, by bisection."""
        low, high = 1, most
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.fit(middle)["rmse"] <= target else (middle + 1, high)
        return high

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def speed(shape, solvers, rounds, arguments):
    """Rows of results for one shape."""
    with tempfile.TemporaryDirectory() as folder:
        for name, part in zip(("rows", "columns", "values"), synthetic(*SHAPES[shape]), strict=True):
            np.save(f"{folder}/{name}.npy", part)
        sides = [Side(sys.executable, folder, "kerasfusion", solver) for solver in solvers]
        if not arguments.no_peer:
            sides += [Side(arguments.peer_python, folder, "cmfrec", solver) for solver in solvers]
        if "cholesky" in solvers and not arguments.no_spark:
            sides.append(Side(arguments.spark_python, folder, "spark", "cholesky"))
        target = 1.002 * max(side.fit(arguments.iterations)["rmse"] for side in sides)
        needed = {side.name: side.least(target, arguments.iterations) for side in sides}
        fits = {side.name: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                fits[side.name].append(side.fit(needed[side.name]))
        for side in sides:
            side.close()
    rows = [{"model": shape, "metric": "RMSE to reach", "value": target}]
    medians = {name: statistics.median(fit["seconds"] for fit in part) for name, part in fits.items()}
    peers = [seconds for name, seconds in medians.items() if not name.startswith("kerasfusion")]
    for name, part in fits.items():
        times = [fit["seconds"] for fit in part]
        model = f"{name}, {shape}"
        spread = {"low": min(times), "high": max(times), "n": rounds}
        rows.append({"model": model, "metric": "seconds", "value": medians[name], **spread})
        rows.append({"model": model, "metric": "iterations", "value": needed[name]})
        rows.append({"model": model, "metric": "seconds per iteration", "value": medians[name] / needed[name]})
        rows.append({"model": model, "metric": "RMSE", "value": part[-1]["rmse"]})
        rows.append({"model": model, "metric": "peak gigabytes", "value": max(fit["gigabytes"] for fit in part)})
        if peers and name.startswith("kerasfusion"):
            ratio = medians[name] / min(peers)
            rows.append({"model": model, "metric": "seconds / the fastest peer", "value": ratio})
    return rows


def movielens(folder):
    """Ratings as places and stars, and a dense matrix of genres and of tags that five films or more have."""
    import pandas as pd

    ratings, films, tags = (pd.read_csv(folder / f"{name}.csv") for name in ("ratings", "movies", "tags"))
    ids = pd.Index(films["movieId"])
    genres = films["genres"].str.get_dummies("|").drop(columns="(no genres listed)").to_numpy(np.float32)
    tags = tags.assign(tag=tags["tag"].str.lower()).drop_duplicates(["movieId", "tag"])
    tags = tags[tags.groupby("tag")["movieId"].transform("size") >= 5]
    said = pd.crosstab(tags["movieId"], tags["tag"]).reindex(ids, fill_value=0).to_numpy(np.float32)
    rows = pd.factorize(ratings["userId"])[0]
    columns = ids.get_indexer(ratings["movieId"])
    return (rows, columns, ratings["rating"].to_numpy(np.float32)), np.hstack([genres, said])


def split(triples, by, seed):
    """A fifth held out: of the ratings, or of what they are of (`by`)."""
    random = np.random.default_rng(seed)
    groups, group = np.unique(np.arange(len(triples[0])) if by is None else triples[by], return_inverse=True)
    held = (random.permutation(len(groups)) < len(groups) // 5)[group]
    return tuple(part[~held] for part in triples), tuple(part[held] for part in triples)


def errors(folder, side, k):
    """Print rows of results on MovieLens for one side, as JSON."""
    triples, features = movielens(folder)
    shape = int(triples[0].max()) + 1, len(features)
    make, option = {"kerasfusion": (ours, "side_weight"), "cmfrec": (theirs, "w_item")}[side]

    def error_of(settings, train, test, by, use):
        rows, columns, values = train
        matrix = sparse.coo_matrix((values, (rows, columns)), shape=shape)
        model = make(k, "cholesky", max_iter=20, **settings)
        if make is ours:
            model.fit(matrix, column_features=features if use else None)
        else:
            model.fit(matrix, I=features if use else None)
        # Films that were never rated are a question of their own, below.
        known = np.isin(test[1], columns) if by is None else slice(None)
        return rmse(model, *(part[known] for part in test))

    cases = {"held-out ratings": (None, False), "cold films": (1, False), "cold films, genres and tags": (1, True)}
    if make is theirs:
        # Its factors of a column without ratings and features are not defined.
        del cases["cold films"]
    for name, (by, use) in cases.items():
        grid = [{"strength": strength} for strength in GRID]
        if use:
            grid = [{**settings, option: weight} for settings, weight in itertools.product(grid, SIDE_WEIGHTS)]
        found = []
        for seed in range(SEEDS):
            train, test = split(triples, by, seed)
            part, choice = split(train, by, seed + 100)
            best = min(grid, key=lambda settings: error_of(settings, part, choice, by, use))
            found.append(error_of(best, train, test, by, use))
            print(f"{side}, {name}, split {seed}: {found[-1]:.4f} with {best}", file=sys.stderr, flush=True)
        spread = {"low": min(found), "high": max(found), "n": SEEDS}
        print(
            json.dumps(
                {"model": f"{side}, {name}, k={k}", "metric": "RMSE", "value": statistics.mean(found), **spread}
            )
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=8, help="most iterations of one fit")
    parser.add_argument("--large", action="store_true", help="20 million ratings as well")
    parser.add_argument("--k", type=int, default=16, help="factors on MovieLens")
    parser.add_argument(
        "--data-dir", type=Path, default=os.environ.get("KERASFUSION_DATA"), help="where MovieLens is, for the errors"
    )
    parser.add_argument("--only", choices=("speed", "errors"), help="one of the two; both if not given")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has cmfrec")
    parser.add_argument("--spark-python", default=sys.executable, help="interpreter that has pyspark")
    parser.add_argument("--no-peer", action="store_true", help="leave cmfrec out")
    parser.add_argument("--no-spark", action="store_true", help="leave Spark out")
    parser.add_argument("--results", type=Path, default=Path("experiments/results/factorization.csv"))
    arguments = parser.parse_args()
    if arguments.only != "speed" and not arguments.data_dir:
        parser.error("the errors are of MovieLens: name the folder it is in by --data-dir, or take --only speed")
    measured = {}
    if arguments.only != "errors":
        measured["speed"] = speed("1M", ("cg", "cholesky"), arguments.rounds, arguments)
        if arguments.large:
            measured["speed"] += speed("20M", ("cg",), 1, arguments)
    if arguments.only != "speed":
        sides = {"kerasfusion": sys.executable}
        if not arguments.no_peer:
            sides["cmfrec"] = arguments.peer_python
        measured["errors"] = []
        for side, python in sides.items():
            folder = Path(arguments.data_dir) / "movielens_latest_small"
            command = [python, __file__, "--errors", str(folder), side, str(arguments.k)]
            printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            measured["errors"] += [json.loads(line) for line in printed.splitlines()]
    # Imported last: the timed processes have no need of it, and it brings TensorFlow.
    from kerasfusion.evaluation.results import append_results

    for part, rows in measured.items():
        for row in rows:
            print(f"{row['model']:50} {row['value']:10.4f}  {row['metric']}")
        options = f"speed --rounds {arguments.rounds}" + " --large" * arguments.large
        options += " --no-spark" * arguments.no_spark
        options = options if part == "speed" else f"errors --k {arguments.k} --data-dir DATA"
        command = (
            f"python experiments/benchmarks/factorization.py --only {options}" + " --no-peer" * arguments.no_peer
        )
        # Two experiments, so that neither replaces the other's rows.
        append_results(arguments.results, rows, f"factorization, {part}", command)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    elif sys.argv[1:2] == ["--errors"]:
        errors(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        main()
