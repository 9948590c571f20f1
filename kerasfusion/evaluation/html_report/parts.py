"""What a page is made of, as plain values: read from a run's folder or handed over by who has them."""

import csv
import dataclasses
import json
from pathlib import Path

from kerasfusion.schema import Schema

DETAILS_FILE = "details.json"


@dataclasses.dataclass(frozen=True)
class Parts:
    """Everything that a page shows.

    Args:
        title: The page's name.
        schema: The run's `Schema`.
        config: As in a run's `config.json`.
        metrics: As in a run's `metrics.json`; a page about another table has `tasks` and `rows` alone.
        details: As in a run's `details.json`: the rows' profile, and what `task_details` gives for each task.
        history: Rows of `history.csv`; empty on a page about another table.
        folder: The run's folder, as commands name it; None on a page about another table.
    """

    title: str
    schema: Schema
    config: dict
    metrics: dict
    details: dict
    history: list
    folder: str | None = None


def read_parts(folder):
    """The parts of a run's page out of its folder.

    Args:
        folder: A finished run's folder.

    Returns:
        Parts

    Raises:
        FileNotFoundError: It lacks a file; the message says which.
    """
    folder = Path(folder)
    lacking = [
        name
        for name in ("schema.json", "config.json", "metrics.json", DETAILS_FILE, "history.csv")
        if not (folder / name).exists()
    ]
    if lacking:
        raise FileNotFoundError(f"{folder} lacks {', '.join(lacking)}, so no page can be made of it.")
    config, metrics, details = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("config.json", "metrics.json", DETAILS_FILE)
    )
    return run_parts(folder, Schema.load(folder / "schema.json"), config, metrics, details)


def run_parts(folder, schema, config, metrics, details):
    """The parts of a run's page, its history read from the folder."""
    title = f"{config['model']} on {config['source']}"
    return Parts(title, schema, config, metrics, details, read_history(Path(folder) / "history.csv"), str(folder))


def read_history(path):
    """The rows of a `history.csv`: a list of dicts of floats."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
