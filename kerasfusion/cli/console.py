"""Rendering: lines, tables, messages and reports, with data as they are."""

import contextlib
import logging
import os
import re
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Output that is no terminal has no width: lines are not wrapped and cells not cut.
UNLIMITED_WIDTH = 100_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def say(line, style=None):
    """Print a line to standard output; `style` is rich's, such as `"bold"`."""
    _console(sys.stdout).print(_printable(line), style=style, soft_wrap=True)


def complain(word, text, style=None):
    """Print a message to standard error after a word such as `"Error"`; a closed stream loses it."""
    with contextlib.suppress(OSError):
        _console(sys.stderr).print(Text.assemble((f"{word}: ", style or ""), _printable(text)), soft_wrap=True)


def show(columns, rows, title=None):
    """Print a table, in a terminal with a frame, elsewhere in plain lines that `grep` and `awk` take.

    Args:
        columns: Names of the columns.
        rows: Rows of strings and `rich.text.Text`.
        title: A line above, or None.
    """
    frame = {} if sys.stdout.isatty() else {"box": None, "pad_edge": False, "title_justify": "left"}
    table = Table(title=None if title is None else _printable(title), **frame)
    for column in columns:
        table.add_column(_printable(column), overflow="fold")
    for row in rows:
        table.add_row(*(_printable(cell) if isinstance(cell, str) else cell for cell in row))
    _console(sys.stdout).print(table)


class _LogMessages(logging.Handler):
    """Prints the package's log messages as `say` does."""

    def emit(self, record):
        say(record.getMessage())


def show_log_messages():
    """Show what the package logs; a closed stream raises, as for any other output."""
    logger = logging.getLogger("kerasfusion")
    if not any(isinstance(handler, _LogMessages) for handler in logger.handlers):
        logger.addHandler(_LogMessages())
        # Imported libraries give the root logger handlers, which would print each message again.
        logger.propagate = False


def prepare_streams():
    """Make standard output and error exist and take every character, whatever the terminal's encoding."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def discard_output():
    """Send standard output nowhere: Python flushes it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console(stream):
    # No markup and no emoji names: `[/text]` and `:heart:` in a column's name are text.
    width = None if stream.isatty() else UNLIMITED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _printable(text):
    """The text with its control characters, which a terminal would obey, as escapes."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def show_data(data, further=()):
    """Print what was inferred from the data, each line with the option that changes it."""
    rows = [tuple(map(str, row)) for row in (*data.settings, *further)]
    show(("what", "value", "why", "change with"), rows, title=f"Data: {data.source}")
    if data.skipped:
        say(f"Skipped {data.skipped}")
    for note in data.notes:
        say(f"Note: {note}")


def show_scores(report):
    """Print the verdict and the scores of one task."""
    # Imported here: evaluation needs Keras, which most commands do not.
    from kerasfusion.evaluation.linear_baseline import recommend
    from kerasfusion.evaluation.tasks import TASKS

    say("")
    if report.get("recommended"):
        say(recommend(report["recommended"]), "bold")
    say(report["verdict"], "bold")
    show(*TASKS[report.get("type", "multiclass")].score_table(report))


def show_verification(report):
    """Print the checks of a SavedModel; whether all passed."""
    rows = [(_mark(row), row.name, row.detail) for row in report.rows]
    show(("", "check", "found"), rows, title=report.title)
    return report.ok


def show_versions(report):
    """Print the checks of a SavedModel in several versions of TensorFlow; whether all passed."""
    reports = report.reports
    names = dict.fromkeys(row.name for found in reports.values() for row in found.rows)
    marks = {version: {row.name: _mark(row) for row in found.rows} for version, found in reports.items()}
    rows = [(name, *(found.get(name, "") for found in marks.values())) for name in names]
    for found in reports.values():
        say(found.title)
    show(("check", *reports), rows)
    details = [
        (version, _mark(row), row.name, row.detail)
        for version, found in reports.items()
        for row in found.rows
        if row.ok is not True
    ]
    show(("TensorFlow", "", "check", "found"), details)
    return report.ok


def _mark(row):
    return {True: Text("ok", "green"), False: Text("FAIL", "red"), None: "info"}[row.ok]
