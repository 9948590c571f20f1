"""Write the vectors of a table's rows."""

import click

from kerasfusion.cli.console import say
from kerasfusion.cli.jobs import load_tensorflow
from kerasfusion.cli.options import FILE, NEW_FOLDER, image_dir_option, option, outside_option


@click.command()
@click.argument("run")
@click.argument("table", type=FILE)
@option("--output-dir", "Folder of features.parquet.", "features", NEW_FOLDER)
@image_dir_option
@outside_option
def features(run, table, output_dir, image_dir, allow_external_paths):
    """Write the vectors of TABLE's rows in the model of RUN, a run's folder or a preset, as Parquet (an extra)."""
    load_tensorflow()
    from kerasfusion import workflows

    say(f"Written to {workflows.features(run, table, output_dir, image_dir, allow_external_paths)}")
