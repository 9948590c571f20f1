"""Command-line flags, recording of results and exit codes, shared by all tutorials."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Recorded names of baselines and their current names.
BASELINES = {"text lookup": "per-question majority", "ceiling of image alone": "image-only oracle"}


def tutorial_parser(doc, name, drawn=False):
    """Build a parser with the flags that all tutorials share.

    Args:
        doc: Docstring of the script. Its first line is the description.
        name: Name of the script without `.py`.
        drawn: Whether the script draws its data, so that `--data-dir` has no effect. Defaults to `False`.

    Returns:
        argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0].removeprefix("# "))
    parser.add_argument("--quick", action="store_true", help="a small run to try it out")
    parser.add_argument("--output-dir", "--out", type=Path, default=Path("runs") / name, help="folder of the runs")
    data_dir = "unused: the script draws its data" if drawn else "folder that holds the data sets"
    parser.add_argument("--data-dir", default=None if drawn else os.environ.get("KERASFUSION_DATA"), help=data_dir)
    parser.add_argument("--results", type=Path, help="CSV file to record the results in")
    return parser


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
