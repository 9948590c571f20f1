"""Training with modality dropout: what it gains where a modality is missing, and what it costs where none is.

    python experiments/benchmarks/modality_dropout.py --data-dir DATA

`DATA/noto_emoji/data.jsonl` has 1,295 emoji: an image, the character's name, a coarse class. Either tells part of
the class. With so few rows every row is tested once: one fold of five tests, the next one validates (the epoch with
the lowest loss there is kept), three train. A seed is another division into folds, other weights and another order.
The same network is trained with and without dropout, with the same settings, for the same number of epochs, and
scored with both modalities, without the text and without the image, in all rows. `--on validation` scores the
validation folds instead, to choose a rate by, for example on `--first-seed 100 --seeds 1 --rates 0.2 0.3 0.4`.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

import kerasfusion as kf
from kerasfusion.data.table import read_table
from kerasfusion.evaluation import append_results, robustness_curves
from kerasfusion.evaluation.corruptions import CORRUPTIONS

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-dir", default=os.environ.get("KERASFUSION_DATA"))
parser.add_argument("--rates", type=float, nargs="+", default=[0.3], help="modality dropout, each beside none")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--first-seed", type=int, default=0)
parser.add_argument("--folds", type=int, default=5, help="folds of five that test; fewer to try things")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--on", choices=["test", "validation"], default="test")
parser.add_argument("--results", type=Path, default=Path("experiments/results/modality_dropout.csv"))
arguments = parser.parse_args()
if not arguments.data_dir:
    parser.error("say in which folder noto_emoji is: --data-dir or KERASFUSION_DATA")

FOLDS = 5
CASES = {"text dropped": "text missing", "image dropped": "image missing"}
table = read_table(Path(arguments.data_dir) / "noto_emoji" / "data.jsonl")
dropped = [corruption for corruption in CORRUPTIONS if corruption.name in CASES]


def train_and_score(data, rate, seed):
    """Accuracy of one network: case -> share of rows that are right."""
    config = kf.training.TrainingConfig(epochs=arguments.epochs, patience=None, modality_dropout=rate, seed=seed)
    keras.utils.set_random_seed(seed)
    model = kf.create_model("classifier_gated", data.schema)
    with tempfile.TemporaryDirectory() as folder:
        kf.training.fit(model, data.splits["train"], data.splits["validation"], config, folder, verbose=0)
    curves = robustness_curves(
        {"model": model}, data.splits[arguments.on], severities=(0, 1), corruptions=dropped
    ).curves
    ends = {CASES[row.corruption]: row.value for row in curves[curves["degree"] == 1].itertuples()}
    return {"both present": curves["value"].iloc[0], **ends}


scores = []
with tempfile.TemporaryDirectory() as cache:
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        fold = np.zeros(len(table), int)
        for i, (_, rows) in enumerate(splitter.split(table, table["label"])):
            fold[rows] = i
        for test in range(arguments.folds):
            table["split"] = np.select([fold == test, fold == (test + 1) % FOLDS], ["test", "validation"], "train")
            roles = {"image": "image", "text": "text", "label": "label", "split": "split"}
            data = kf.data.load(table, **roles, image_size=32, cache_dir=cache)
            for rate in (0.0, *arguments.rates):
                found = train_and_score(data, rate, seed)
                n = len(data.splits[arguments.on])
                scores += [{"rate": rate, "seed": seed, "case": c, "right": n * v, "n": n} for c, v in found.items()]
                shown = "  ".join(f"{case} {value:.1%}" for case, value in found.items())
                print(f"seed {seed}, fold {test + 1}, dropout {rate:g}:  {shown}", flush=True)

# Rows of all folds together, then seeds as repetitions.
whole = pd.DataFrame(scores).groupby(["rate", "case", "seed"])[["right", "n"]].sum()
accuracy = (whole["right"] / whole["n"]).unstack("seed")
gain = accuracy.drop(index=0.0, level="rate") - accuracy.xs(0.0, level="rate")
rows = []
for what, figures in (("modality dropout {:g}", accuracy), ("modality dropout {:g}, minus none", gain)):
    for (rate, case), by_seed in figures.iterrows():
        mean, deviation = by_seed.mean(), by_seed.std()
        print(f"{what.format(rate):30} {case:15} {mean:+.1%}  (deviation over seeds {deviation:.1%})")
        row = {"model": what.format(rate), "n": len(table) if arguments.folds == FOLDS else ""}
        rows.append({**row, "metric": f"accuracy, {case}", "value": mean})
        rows.append({**row, "metric": f"accuracy, {case}, deviation over seeds", "value": deviation})
command = "python experiments/benchmarks/modality_dropout.py --data-dir DATA"
for name, value in vars(arguments).items():
    if value != parser.get_default(name) and name not in ("data_dir", "results"):
        command += f" --{name.replace('_', '-')} " + " ".join(map(str, value if isinstance(value, list) else [value]))
append_results(arguments.results, rows, "modality_dropout", command, arguments.first_seed)
