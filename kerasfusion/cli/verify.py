"""Verify a SavedModel."""

import sys

import click

from kerasfusion.cli.console import show_verification
from kerasfusion.cli.options import FOLDER


@click.command()
@click.argument("path", type=FOLDER)
def verify(path):
    """Check the served model, or the one version, in folder PATH with the loader that TensorFlow Serving uses."""
    from kerasfusion import serving

    sys.exit(0 if show_verification(serving.verify(path)) else 1)
