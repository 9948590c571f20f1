"""Write the report of a run again."""

import sys

import click

from kerasfusion.cli.console import say
from kerasfusion.cli.jobs import load_tensorflow
from kerasfusion.cli.options import FOLDER


@click.command()
@click.argument("run", type=FOLDER)
def report(run):
    """Draw the figures and write the page of the finished run in folder RUN again."""
    load_tensorflow()
    from kerasfusion.workflows import rebuild_report

    failed = rebuild_report(run)
    if not failed:
        say(f"Report written to {run}/report.html and {run}/figures")
    sys.exit(1 if failed else 0)
