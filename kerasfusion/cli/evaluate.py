"""Score a run on another table."""

import click

from kerasfusion.cli.console import say, show_scores
from kerasfusion.cli.jobs import load_tensorflow, make_folder_of
from kerasfusion.cli.options import NEW_FILE, image_dir_option, option, outside_option


@click.command()
@click.argument("run")
@click.argument("source")
@image_dir_option
@outside_option
@option("--report", "Write a page about it here, as HTML.", type=NEW_FILE)
def evaluate(run, source, image_dir, allow_external_paths, report):
    """Score RUN, the folder of a run or a preset, on another labelled table, SOURCE."""
    load_tensorflow()
    from kerasfusion import workflows

    make_folder_of(report)
    reports, skipped = workflows.evaluate(run, source, image_dir, allow_external_paths, page=report)
    if skipped:
        say(f"Not used, or taken as missing: {skipped}")
    for found in reports.values():
        show_scores(found.to_dict())
    if report is not None:
        say(f"Report written to {report}")
