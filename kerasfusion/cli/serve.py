"""Serve SavedModels over HTTP."""

import click

from kerasfusion.cli.options import FOLDER, option
from kerasfusion.cli.parameters import Number


@click.command()
@click.argument("folder", type=FOLDER)
@option("--port", "Port to listen on, 0 for a free one.", 8501, Number("port"))
@option("--host", "Address to listen on; 0.0.0.0 opens it to the network.", "127.0.0.1")
@option("--threads", "Requests run at once; one per core if absent.", type=Number("threads"))
@option("--max-rows", "Rows of one request.", 1024, Number("max_rows"))
@option("--max-decoded-bytes", "Bytes of one request's images once decoded.", 2**28, Number("max_decoded_bytes"))
@option("--max-request-bytes", "Bytes of one request.", 2**26, Number("max_request_bytes"))
@option("--max-body-bytes", "Bytes of all requests held at the same time.", 2**28, Number("max_body_bytes"))
@option("--max-connections", "Open connections.", 512, Number("max_connections"))
@option("--graceful-timeout", "Seconds for requests in flight when it stops.", 10.0, Number("graceful_timeout"))
def serve(folder, port, host, threads, max_request_bytes, **limits):
    """Try the models in FOLDER over HTTP: a stand-in for TensorFlow Serving's REST API.

    Production runs TensorFlow Serving. FOLDER holds NAME/VERSION/, or is one model's.
    """
    from kerasfusion import serving

    limits = serving.ServerLimits(**limits)
    serving.serve(folder, host, port, threads, max_request_bytes, limits)
