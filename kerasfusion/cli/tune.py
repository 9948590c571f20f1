"""Search for a model."""

import click

from kerasfusion.cli.console import say, show_data, show_scores
from kerasfusion.cli.jobs import interruptible, load_tensorflow, training_config
from kerasfusion.cli.options import COLUMNS, data_options, flag, option, output_dir_option, training_options
from kerasfusion.cli.parameters import Number, Widths


@click.command()
@data_options
@option("--minutes", "Time for search and final training.", 30, Number("minutes"))
@option("--text-encoders", "Text encoders to try, divided by commas.", type=COLUMNS)
@option("--image-encoders", "Image encoders to try, divided by commas.", type=COLUMNS)
@option("--fusions", "Fusions to try, divided by commas.", type=COLUMNS)
@option("--units", "Widths to try, divided by commas.", type=Widths())
@output_dir_option("runs/tuned")
@training_options
@flag("--overwrite", "Replace the search in that folder.")
@flag("--resume", "Go on with the search in that folder.")
def tune(source, minutes, text_encoders, image_encoders, fusions, units, output_dir, overwrite, resume, **settings):
    """Search encoders, fusion, width, dropout and learning rate for so many minutes (extra [tune]).

    The best model by validation loss is trained again with its baselines, an ordinary run in OUTPUT_DIR/run.
    """
    load_tensorflow()
    from kerasfusion import workflows
    from kerasfusion.data import load

    config = training_config(settings)
    data = load(source, **settings)
    show_data(data)
    tried = {"text_encoder": text_encoders, "image_encoder": image_encoders, "fusion": fusions, "units": units}
    choices = {name: values for name, values in tried.items() if values is not None}
    with interruptible():
        found = workflows.tune(data, output_dir, minutes, config, choices, overwrite=overwrite, resume=resume)
    say(found.trials.head(10).to_string(index=False, na_rep="", float_format="%.4g"))
    for report in found.run.metrics["tasks"].values():
        show_scores(report)
    say(f"Search written to {output_dir}/search, the winner's run to {found.run.path}")
