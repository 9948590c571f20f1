"""A training killed again and again at random moments, and resumed, against the same training left alone.

    python experiments/benchmarks/kill_and_resume.py

The small shapes world, `vqa_film` and its baselines, 6 epochs. The process is killed with SIGKILL after a random time
and started again with `resume=True` until it is done. Checkpoints within an epoch are written every second instead of
every minute, so that kills fall behind some.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

import kerasfusion as kf
from kerasfusion.evaluation.results import append_results

TRAIN = """
import sys
import kerasfusion as kf
from kerasfusion.training import checkpoint

checkpoint.SECONDS = 1
config = kf.training.TrainingConfig(epochs=6, batch_size=32, patience=None)
kf.train(kf.data.load("shapes:quick"), "vqa_film", sys.argv[1], config, resume=True)
"""

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--shortest", type=float, default=10, help="least seconds before a kill")
parser.add_argument("--longest", type=float, default=30, help="most seconds before a kill")
parser.add_argument("--results", type=Path, default=Path("experiments/results/kill_and_resume.csv"))
arguments = parser.parse_args()


def train(out, seconds=None):
    """Whether the training in folder `out` was done before it was killed."""
    try:
        subprocess.run([sys.executable, "-u", "-c", TRAIN, str(out)], check=True, timeout=seconds)
    except subprocess.TimeoutExpired:  # subprocess.run has killed it
        return False
    return True


with tempfile.TemporaryDirectory() as folder:
    whole, killed = Path(folder) / "whole", Path(folder) / "killed"
    train(whole)
    random.seed(0)
    kills = 0
    while not train(killed, random.uniform(arguments.shortest, arguments.longest)):
        kills += 1
        print(f"killed {kills} times", flush=True)
    one, other = kf.load(whole), kf.load(killed)
    weights = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    histories = [pd.read_csv(out / "history.csv").drop(columns="seconds") for out in (whole, killed)]
    scores = [run.metrics["tasks"]["label"]["scores"] for run in (one, other)]
    found = {
        "kills": kills,
        "largest difference of a weight": max(float(np.abs(a - b).max()) for a, b in weights),
        "largest difference in the history": float((histories[0] - histories[1]).abs().max().max()),
        "scores that differ": sum(scores[0][name] != scores[1][name] for name in scores[0]),
    }
rows = [{"model": "killed and resumed", "metric": metric, "value": value} for metric, value in found.items()]
print(found)
append_results(arguments.results, rows, "kill_and_resume", "python experiments/benchmarks/kill_and_resume.py")
