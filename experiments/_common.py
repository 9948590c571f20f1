"""Command-line flags, recording of results and exit codes, shared by all tutorials."""

import argparse
import os
import statistics
import sys
from pathlib import Path

import pandas as pd
from scipy import stats

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Recorded names of baselines and their current names.
BASELINES = {"text lookup": "per-question majority", "ceiling of image alone": "image-only oracle"}


def tutorial_parser(doc, name, drawn=False, seeds=None):
    """Build a parser with the flags that all tutorials share.

    Args:
        doc: Docstring of the script. Its first line is the description.
        name: Name of the script without `.py`.
        drawn: Whether the script draws its data, so that `--data-dir` has no effect. Defaults to `False`.
        seeds: Default of `--seeds`, which comes with `--on`. Defaults to `None`: the script has neither.

    Returns:
        argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0].removeprefix("# "))
    parser.add_argument("--quick", action="store_true", help="a small run to try it out")
    parser.add_argument("--output-dir", "--out", type=Path, default=Path("runs") / name, help="folder of the runs")
    data_dir = "unused: the script draws its data" if drawn else "folder that holds the data sets"
    parser.add_argument("--data-dir", default=None if drawn else os.environ.get("KERASFUSION_DATA"), help=data_dir)
    parser.add_argument("--results", type=Path, help="CSV file to record the results in")
    if seeds:
        parser.add_argument("--seeds", type=int, default=seeds, help="number of seeds")
        parser.add_argument("--on", choices=["test", "validation"], default="test", help="split to evaluate on")
    return parser


def add_pretrained_flags(parser, *names):
    """Add `--pretrained`, which of these encoders to use, and `--cache-dir`, where their features are kept."""
    parser.add_argument(
        "--pretrained", nargs="+", choices=names, default=[], help="frozen encoders of installed weight packages"
    )
    parser.add_argument("--cache-dir", type=Path, help="folder of their features (default: cache in --output-dir)")


def require_pretrained(arguments, parser):
    """Exit with the pip command if a package that `--pretrained` needs is not installed; complete `--cache-dir`."""
    if arguments.pretrained:
        import kerasfusion as kf

        found = kf.pretrained.available()
        problems = [found[name].problem for name in arguments.pretrained if not found[name]]
        if problems:
            parser.error("; ".join(problems))
        arguments.cache_dir = arguments.cache_dir or arguments.output_dir / "cache"


def parse(parser, flags=None):
    """Parse the flags and create the output folder.

    Args:
        parser: Parser from `tutorial_parser`, with the tutorial's own flags.
        flags: List of flags, such as `["--quick"]`. Defaults to `None`: those of the command line, or none in a
            notebook, where the command line belongs to the kernel.

    Returns:
        argparse.Namespace
    """
    arguments = parser.parse_args([] if flags is None and in_notebook() else flags)
    if arguments.data_dir:
        os.environ["KERASFUSION_DATA"] = str(arguments.data_dir)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    return arguments


def record(path, rows, experiment, command, seed=0):
    """Append rows to the CSV file, unless `path` is `None` (see `kf.evaluation.append_results`)."""
    if path:
        from kerasfusion.evaluation.results import append_results

        append_results(path, rows, experiment, command, seed)


def recorded(path):
    """Return the rows of the CSV file; an empty list if there is none."""
    from kerasfusion.evaluation.results import read_results

    return read_results(path) if path and path.exists() else []


class Results:
    """The results of a tutorial: printed as they are added, and written to the CSV file given by `--results`.

    Args:
        arguments: What `parse` returned.
        script: Name of the script without `.py`.
        flags: Names of the flags that the results depend on, for the recorded command.
        file: Name of the CSV file in `experiments/results`.

    Attributes:
        seeds: The seeds to run, one in quick mode.
        n: Number of test rows that a metric is computed on, unless `add` is told otherwise.
        rows: list of dict, the rows of the CSV file.
    """

    def __init__(self, arguments, script, flags, file):
        values = [f"--{flag} {getattr(arguments, flag)}" for flag in flags] + ["--quick"] * arguments.quick
        self.command = " ".join([f"python experiments/{script}.py", *values, f"--results experiments/results/{file}"])
        self.path = arguments.results
        self.seeds = range(1 if arguments.quick else arguments.seeds)
        self.n = None
        self.rows = []

    def add(self, model, metric, values, n=None, seed=0):
        """Add the value of a metric, or a list with one value per seed, starting at `seed`."""
        n = self.n if n is None else n
        values = values if isinstance(values, list) else [values]
        values = [value if isinstance(value, int) else float(value) for value in values]
        spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
        print(f"  {model:44} {metric:38} {statistics.fmean(values):.5g}{spread}")
        self.rows += [
            {"model": model, "metric": metric, "value": value, "n": n, "seed": seed + i}
            for i, value in enumerate(values)
        ]

    def by_seed(self):
        """Return a pandas.DataFrame with one row per (model, metric) and one column per seed."""
        table = pd.DataFrame(self.rows)
        return table.pivot_table(index=["model", "metric"], columns="seed", values="value", sort=False)

    def record(self, experiment, seed):
        """Write the rows of a seed to the CSV file."""
        record(self.path, [row for row in self.rows if row["seed"] == seed], experiment, self.command, seed)

    def restore(self, experiment, seed):
        """Read what an interrupted run recorded with the same command. Return whether there was anything."""
        found = [r for r in recorded(self.path) if (r["experiment"], r["command"]) == (experiment, self.command)]
        self.rows += [{**row, "value": float(row["value"]), "seed": seed} for row in found]
        return bool(found)


def print_gains(values, reference):
    """Print the mean of each model over seeds, and its gain with the 95 % interval of a paired t-test.

    Args:
        values: pandas.DataFrame, one row per model and one column per seed.
        reference: Function from the name of a model to that of the model to compare with.
    """
    for name, found in values.iterrows():
        baseline, gain = values.loc[reference(name)], ""
        if name != reference(name):
            gain = f"{(found - baseline).mean():+6.1%}"
            if len(found) > 1:
                interval = stats.ttest_rel(found, baseline).confidence_interval()
                gain += f" [{interval.low:+.1%}, {interval.high:+.1%}]"
        print(f"  {name:54} {found.mean():6.1%}  {gain}")


def finish(ok):
    """Exit the script with code 0 if `ok`, else 1. In a notebook, do nothing."""
    if not in_notebook():
        raise SystemExit(0 if ok else 1)


def in_notebook():
    """Whether the code runs in a Jupyter kernel."""
    return "ipykernel" in sys.modules


def display_name(model):
    """Map the recorded name of a baseline to its current name; other names are unchanged."""
    for recorded_name, current_name in BASELINES.items():
        if model == recorded_name or model.startswith(f"{recorded_name},"):
            return current_name + model[len(recorded_name) :]
    return model
