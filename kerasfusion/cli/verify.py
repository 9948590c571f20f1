"""Verify a SavedModel."""

import sys

import click

from kerasfusion.cli.console import show_verification, show_versions
from kerasfusion.cli.options import FOLDER, NEW_FOLDER, option
from kerasfusion.cli.parameters import VersionsCommand


@click.command(cls=VersionsCommand)
@click.argument("path", type=FOLDER)
@option(
    "--tensorflow",
    "Releases of TensorFlow to check in, such as 2.19 2.20; their libraries are downloaded by pip.",
    multiple=True,
    metavar="VERSION...",
)
@option("--cache-dir", "Folder for these libraries; ~/.keras/tensorflow if absent.", type=NEW_FOLDER)
def verify(path, tensorflow, cache_dir):
    """Check the served model, or the one version, in folder PATH with the loader that TensorFlow Serving uses."""
    from kerasfusion import serving

    if tensorflow:
        ok = show_versions(serving.verify(path, tensorflow=tensorflow, cache_dir=cache_dir))
    else:
        ok = show_verification(serving.verify(path))
    sys.exit(0 if ok else 1)
