"""How often a comparison of equally good models names a difference: at most 6 % of comparisons may.

    python experiments/benchmarks/comparison_errors.py

Models answer 300 rows right or wrong by the sign of a normal variable, the sum of a row's part (variance 0.5),
a model x row part (0.25) and a seed's and a seed x row part (0.25 together). All models have the same expected
accuracy, 84 %, and each comparison is one family: `kerasfusion.evaluation.statistics.compare_all` is asked
whether any model differs from the best. Seeds' deviations are alike, alternate 4 : 1, are 6 : 1 or 10 : 1 for
one model in five, or lognormal; a deviation of 0.4 moves the accuracy of a seed by about 10 points, one of 0.1
by 2.5. With one seed there is none: nothing is said of other seeds.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from kerasfusion.evaluation import statistics
from kerasfusion.evaluation.results import append_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--families", type=int, default=1000)
parser.add_argument("--rows", type=int, default=300)
parser.add_argument("--models", type=int, nargs="+", default=[5, 10, 20])
parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 5])
parser.add_argument("--draws", type=int, default=2000, help="simulated families behind each p-value")
parser.add_argument("--results", type=Path, default=Path("experiments/results/comparison_errors.csv"))
arguments = parser.parse_args()

SPREADS = {
    "equal, 0.1": lambda k, random: np.full(k, 0.1),
    "equal, 0.4": lambda k, random: np.full(k, 0.4),
    "every other a quarter of 0.4": lambda k, random: np.where(np.arange(k) % 2, 0.1, 0.4),
    "one model 0.4, others a sixth": lambda k, random: np.where(np.arange(k) == 0, 0.4, 0.4 / 6),
    "one in five 0.4, others a tenth": lambda k, random: np.where(np.arange(k) % 5 == 0, 0.4, 0.04),
    "lognormal around 0.2": lambda k, random: np.minimum(0.2 * np.exp(random.normal(0, 0.8, k)), 0.45),
}
NO_SPREAD = {"none": lambda k, random: np.zeros(k)}


def family(random, models, seeds, deviation):
    """Right and wrong answers of equally good models, float `(models, seeds, rows)`."""
    rows = arguments.rows
    values = random.normal(0, 0.5**0.5, rows) + random.normal(0, 0.25**0.5, (models, 1, rows))
    rest = np.sqrt(0.25 - deviation**2)[:, None, None]
    values = values + rest * random.standard_normal((models, seeds, rows))
    return (values + deviation[:, None, None] * random.standard_normal((models, seeds, 1)) > -1).astype(float)


statistics.DRAWS = arguments.draws
found = []
for seeds in arguments.seeds:
    for title, spread in (NO_SPREAD if seeds == 1 else SPREADS).items():
        for models in arguments.models:
            random, named = np.random.default_rng(1000 * models + seeds), 0
            for place in range(arguments.families):
                values = family(random, models, seeds, spread(models, random))
                tested = statistics.compare_all(values, share=True, seed=place)
                named += bool((tested.p[tested.means.argmax()] < statistics.LEVEL).any())
            share = named / arguments.families
            low, high = statistics.wilson(share, arguments.families)
            title_of_row = f"{seeds} seed{'s' if seeds > 1 else ''}, seed deviation {title}"
            metric = f"false differences, {models} models"
            found.append({"model": title_of_row, "metric": metric, "value": share, "low": low, "high": high})
            found[-1]["n"] = arguments.families
            print(f"{title_of_row:60} {models:3} models {share:6.1%} [{low:.1%}, {high:.1%}]", flush=True)
command = (
    f"python experiments/benchmarks/comparison_errors.py --families {arguments.families} --draws {arguments.draws}"
)
append_results(arguments.results, found, "comparison_errors", command)
