"""Export a run as a SavedModel."""

import sys

import click

from kerasfusion.cli.console import say, show_verification
from kerasfusion.cli.jobs import load_tensorflow
from kerasfusion.cli.options import NEW_FOLDER, flag, option
from kerasfusion.cli.parameters import Number

# As in `kerasfusion.evaluation.linear_baseline`, which needs Keras.
BASELINES = ("bag_of_words", "text_features", "image_features", "words_and_images")


@click.command()
@click.argument("run")
@click.argument("model_dir", type=NEW_FOLDER)
@flag("--freeze", "Weights as constants of a simplified graph.")
@flag("--bfloat16", "The same in bfloat16: half the size.")
@flag("--lite", "A model with 8-bit weights for LiteRT too (an extra).")
@flag("--onnx", "The network as ONNX too, compared in ONNX Runtime (an extra).")
@flag("--network", "The network alone as a SavedModel too, for other runtimes.")
@option("--data", "A labelled table to measure on; else the test split.")
@click.option("--evaluate/--no-evaluate", default=True, help="Measure what --freeze, --bfloat16 and --lite cost.")
@option("--baseline", "A simple baseline in place of the model.", type=click.Choice(BASELINES))
@option("--max-pixels", "Requests' images of more pixels are unreadable.", 25_000_000, Number("max_pixels"))
def export(run, model_dir, **options):
    """Write the next version of a SavedModel into MODEL_DIR from RUN, a run's folder or a preset, and verify it."""
    load_tensorflow()
    from kerasfusion import serving, workflows

    version = workflows.export(run, model_dir, **options)
    say(f"Exported to {version}")
    for line in workflows.format_export_metrics(version):
        say(line)
    sys.exit(0 if show_verification(serving.verify(version)) else 1)
