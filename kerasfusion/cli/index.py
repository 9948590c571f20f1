"""Export a search index of images."""

import sys
from pathlib import Path

import click

from kerasfusion.cli.console import say, show_verification
from kerasfusion.cli.jobs import load_tensorflow
from kerasfusion.cli.options import NEW_FOLDER, image_dir_option, option, outside_option
from kerasfusion.cli.parameters import Number


@click.command()
@click.argument("run")
@click.argument("gallery", type=click.Path(exists=True, path_type=Path))
@click.argument("model_dir", type=NEW_FOLDER)
@option("--id", "Column that names the images of a table; else their paths do.")
@option("--k", "Images that a search gives.", 10, Number("k"))
@image_dir_option
@outside_option
def index(run, gallery, model_dir, id, k, image_dir, allow_external_paths):
    """Export the dual encoder RUN (a folder or a preset) into MODEL_DIR with the images of GALLERY, to be searched.

    GALLERY is a folder of images, or a table with the run's image column. Each time the next version is written.
    """
    load_tensorflow()
    from kerasfusion import serving, workflows

    places = {"image_dir": image_dir, "allow_external_paths": allow_external_paths}
    version, left_out = workflows.export_search_index(run, gallery, model_dir, id_column=id, k=k, **places)
    if left_out:
        more = ", …" if len(left_out) > 20 else ""
        say(f"Not indexed, {len(left_out):,} that cannot be read: {', '.join(left_out[:20])}{more}")
    say(f"Exported to {version}")
    sys.exit(0 if show_verification(serving.verify(version)) else 1)
