"""Gather what a page shows, and write it."""

import datetime
import importlib.metadata
import shlex
import sys
from pathlib import Path

from kerasfusion.data.profile import profile_splits
from kerasfusion.evaluation.features import FEATURES
from kerasfusion.evaluation.html_report.parts import DETAILS_FILE, Parts, read_parts, run_parts
from kerasfusion.evaluation.html_report.render import render
from kerasfusion.evaluation.html_report.tasks import TASKS
from kerasfusion.files import write_json, write_text

FILE = "report.html"
_PACKAGES = ("kerasfusion", "keras", "tensorflow", "numpy")


def write_run_report(folder, path=None):
    """Make a run's page again out of its folder.

    Args:
        folder: A finished run's folder.
        path: Where to write it; None is `report.html` in the folder.

    Returns:
        Path: the page, one file of HTML with everything in it.

    Raises:
        FileNotFoundError: The folder lacks a file that the page is made of.

    Example:

    ```python
    kf.evaluation.write_run_report("runs/pets")
    ```
    """
    return _write(read_parts(folder), path or Path(folder) / FILE)


def save_report(folder, reports, data, config, metrics, looked_at=None):
    """Write a new run's page, and `details.json` to make it of again.

    Args:
        folder: The run's folder, with `schema.json`, `history.csv` and `model.keras` in it.
        reports: dict task -> `TaskReport` on the test split.
        data: The `Data` of the run.
        config: What goes into `config.json`.
        metrics: What goes into `metrics.json`.
        looked_at: dict task -> rows of `kf.explain.explain_examples`, of a caption of `kf.explain.explain_captions`,
            or the reason why there are none; None leaves the part out.

    Returns:
        Path: the page.
    """
    details = save_details(folder, reports, data, looked_at)
    return _write(run_parts(folder, data.schema, config, metrics, details), Path(folder) / FILE)


def save_details(folder, reports, data, looked_at=None, made=None):
    """Write `details.json`, what `write_run_report` needs beside the other files of a run.

    Args:
        folder: The run's folder, with `model.keras` in it.
        reports: dict task -> `TaskReport` on the test split.
        data: The `Data` of the run.
        looked_at: As for `save_report`.
        made: When, how and with what the run was made, as in its previous `details.json`; None, as from `provenance`.

    Returns:
        dict: the details.
    """
    folder, test = Path(folder), data.splits["test"]
    details = {
        **_details(reports, test, data.splits, data.skipped, data.notes, data.image_sizes),
        **(made or {}),
        "settings": [[str(cell) for cell in row] for row in data.settings],
        "model_bytes": (folder / "model.keras").stat().st_size,
        "sample": _sample(test),
    }
    for name, rows in (looked_at or {}).items():
        plain = TASKS[reports[name].task.type].looked_at
        details["tasks"][name]["looked_at"] = plain(rows, reports[name], test)
    write_json(folder / DETAILS_FILE, details)
    return details


def write_evaluation_page(path, run, reports, examples, skipped):
    """Write a page about a run on another labelled table: what training left is not in it.

    Args:
        path: The file to write.
        run: The `Run`.
        reports: dict task -> `TaskReport` on the table.
        examples: The table's `Examples`.
        skipped: Its `SkippedRows` rows and images.

    Returns:
        Path: the page.
    """
    source = examples.frame.attrs.get("source", "table")
    config = {"source": source, "model": f"{run.config['model']} in {run.path}"}
    # As `evaluate` breaks the scores down: by this column only where the table has it.
    column = run.config.get("slice_by")
    config["slice_by"] = column if column in examples.frame.columns else None
    tasks = {name: found.to_dict() for name, found in reports.items()}
    details = _details(reports, examples, {source: examples}, skipped, [], {})
    title = f"{run.config['model']} on {source}"
    return _write(Parts(title, run.schema, config, {"tasks": tasks}, details, []), path)


def _details(reports, examples, splits, skipped, notes, image_sizes):
    return {
        **provenance(),
        "profile": profile_splits(splits, image_sizes),
        "skipped": [
            {
                "reason": reason,
                "count": count,
                "examples": [[row, column, str(value)[:200]] for row, column, value in skipped.examples[reason]],
            }
            for reason, count in skipped.counts.items()
        ],
        "notes": list(notes),
        "tasks": {name: TASKS[found.task.type].details(found, examples) for name, found in reports.items()},
        "rows_of": _rows_of(examples.frame),
    }


def provenance():
    """When, by which command and with what a page was made."""
    return {
        "made": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
        "command": _command(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _command():
    """The command line, where this is one of `kerasfusion`'s; else None."""
    return shlex.join(["kerasfusion", *sys.argv[1:]]) if Path(sys.argv[0]).name == "kerasfusion" else None


def _rows_of(frame):
    source, offset = frame.attrs.get("source", "table"), frame.attrs.get("line_offset")
    line = "" if offset is None else f"; row 1 is line {1 + offset} of the file"
    return f"Rows are numbered from 1 as in {source}{line}."


def _sample(examples):
    """What stands in a sample request: feature -> a text, or a list of numbers; not for files."""
    found = {f.name: FEATURES[f.kind].sample(f, examples) for f in examples.schema.features}
    return {name: value for name, value in found.items() if value is not None}


def _write(parts, path):
    return write_html(render(parts), path)


def write_html(page, path):
    """Write a page atomically; a character that UTF-8 lacks becomes a question mark."""
    write_text(path, page, errors="replace")
    return Path(path)
