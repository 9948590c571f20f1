"""Write configuration for TensorFlow Serving."""

import click

from kerasfusion.cli.console import say
from kerasfusion.cli.options import FOLDER, flag


@click.command("serving-files")
@click.argument("folder", type=FOLDER)
@flag("--overwrite", "Replace files that exist and differ.")
def serving_files(folder, overwrite):
    """Write TensorFlow Serving's own configuration for the models in FOLDER: models, batching, monitoring."""
    from kerasfusion import serving

    for path in serving.write_serving_config(folder, overwrite):
        say(f"Written: {path}")
