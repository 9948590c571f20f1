"""Arguments, recording and the ending that the tutorials share."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Recorded names of baselines and their current names.
BASELINES = {"text lookup": "per-question majority", "ceiling of image alone": "image-only oracle"}


def tutorial_parser(doc, name, drawn=False):
    """The flags that every tutorial has.

    Args:
        doc: The script's docstring; its first line is the description.
        name: The script's name without `.py`.
        drawn: Whether the data is drawn by the script, so that `--data-dir` has no effect.

    Returns:
        argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0].removeprefix("# "))
    parser.add_argument("--quick", action="store_true", help="a small run, to see it work")
    parser.add_argument("--output-dir", "--out", type=Path, default=Path("runs") / name, help="folder of the runs")
    data_dir = "not used: the data is drawn" if drawn else "folder that data sets are kept in"
    parser.add_argument("--data-dir", default=None if drawn else os.environ.get("KERASFUSION_DATA"), help=data_dir)
    parser.add_argument("--results", type=Path, help="CSV file to write the figures to")
    return parser


def parse(parser, flags=None):
    """Parse the flags and create the output folder.

    Args:
        parser: What `tutorial_parser` returned, with the tutorial's own flags.
        flags: List of flags, such as `["--quick"]`. Defaults to `None`: those of the command line, and none in a
            notebook, whose command line is the kernel's.

    Returns:
        argparse.Namespace
    """
    arguments = parser.parse_args([] if flags is None and in_notebook() else flags)
    if arguments.data_dir:
        os.environ["KERASFUSION_DATA"] = str(arguments.data_dir)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    return arguments


def record(path, rows, experiment, command, seed=0):
    """Append rows of figures to the CSV file, if one was given (`kerasfusion.evaluation.append_results`)."""
    if path:
        from kerasfusion.evaluation.results import append_results

        append_results(path, rows, experiment, command, seed)


def recorded(path):
    """The rows that the CSV file holds; none without a file."""
    from kerasfusion.evaluation.results import read_results

    return read_results(path) if path and path.exists() else []


def finish(ok):
    """End the script with its exit code."""
    if not in_notebook():
        raise SystemExit(0 if ok else 1)


def in_notebook():
    """Whether this runs in a Jupyter kernel, where the command line is the kernel's."""
    return "ipykernel" in sys.modules


def display_name(model):
    """The current name of a recorded baseline; other names are unchanged."""
    for recorded_name, current_name in BASELINES.items():
        if model == recorded_name or model.startswith(f"{recorded_name},"):
            return current_name + model[len(recorded_name) :]
    return model
