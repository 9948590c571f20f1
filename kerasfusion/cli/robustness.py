"""Score a run on missing and noisy inputs."""

import click

from kerasfusion.cli.console import say, show
from kerasfusion.cli.jobs import load_tensorflow
from kerasfusion.cli.options import FOLDER, NEW_FOLDER, image_dir_option, option, outside_option
from kerasfusion.cli.parameters import Number


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("source", required=False)
@option("--output-dir", "Where curves and report go; RUN/robustness if absent.", type=NEW_FOLDER)
@image_dir_option
@outside_option
@option("--num-severities", "Points of each curve.", 6, Number("num_severities"))
@option("--seed", "Seed of what is dropped and added.", 0, Number("seed"))
def robustness(run, source, output_dir, image_dir, allow_external_paths, num_severities, seed):
    """Score the run in folder RUN on missing and noisy inputs: its own test split, or a labelled table, SOURCE."""
    load_tensorflow()
    from kerasfusion import training, workflows

    run = training.load(run)
    found = workflows.robustness(run, source, output_dir, image_dir, allow_external_paths, num_severities, seed)
    rows = []
    for row in found.summary.to_dict("records"):
        effective = f"{row['effective']:+.4f}" if row["reference"] else ""
        cells = (row["corruption"], row["model"], f"{row['relative']:.4f}", effective, row["reference"] or "")
        rows.append((run.schema[row["task"]].title, *cells))
    show(("task", "", "model", "relative", "effective", "against"), rows, title="Robustness")
    say(f"Report written to {output_dir or run.path / 'robustness'}/report.html")
