"""A page to try exported models."""

import click

from kerasfusion.cli.options import FOLDER, option
from kerasfusion.cli.parameters import Number


@click.command()
@click.argument("folder", type=FOLDER)
@option("--port", "Port to listen on.", 7860, Number("port"))
@option("--host", "Address to listen on; 0.0.0.0 opens it to the network.", "127.0.0.1")
def app(folder, port, host):
    """Try the models in FOLDER on a page (an extra): images and texts in, answers and probabilities out."""
    from kerasfusion.serving.app import build_page

    build_page(folder).launch(server_name=host, server_port=port, share=False)
