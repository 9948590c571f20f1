"""The command line. It holds no logic: every command reads its arguments, calls the package and prints.

Only click and rich are loaded here: `--help` must answer at once. TensorFlow comes with the command that needs it.
"""

import os
import sys
import warnings

import click

from kerasfusion.cli import app as app_page
from kerasfusion.cli import (
    compare,
    demo,
    evaluate,
    export,
    features,
    index,
    list_models,
    predict,
    report,
    robustness,
    serve,
    serving_files,
    train,
    tune,
    verify,
)
from kerasfusion.cli.console import complain, prepare_streams, show_log_messages
from kerasfusion.cli.failures import exit_code

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app():
    """Train, compare and serve Keras models that join text and images."""
    show_log_messages()


COMMANDS = (
    list_models.list_models,
    train.train,
    compare.compare,
    tune.tune,
    demo.demo,
    evaluate.evaluate,
    robustness.robustness,
    report.report,
    predict.predict,
    features.features,
    export.export,
    index.index,
    verify.verify,
    serve.serve,
    app_page.app,
    serving_files.serving_files,
)
for command in COMMANDS:
    app.add_command(command)


def main():
    """Run the command line: every error ends in one message, and an unexpected one's traceback in a log file."""
    prepare_streams()
    warnings.showwarning = lambda message, *_: complain("Note", str(message))
    sys.exit(exit_code(app))
