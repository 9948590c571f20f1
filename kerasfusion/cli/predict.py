"""Predict one row or a table."""

import click

from kerasfusion.cli.console import say
from kerasfusion.cli.jobs import load_tensorflow, make_folder_of
from kerasfusion.cli.options import FILE, NEW_FILE, flag, image_dir_option, option, outside_option
from kerasfusion.files import atomic_write


@click.command()
@click.argument("run")
@click.argument("table", type=FILE, required=False)
@option("--image", "One image.", type=FILE)
@option("--text", "One sentence.")
@option("--output", "Write the table with predictions here, as CSV; to standard output if absent.", type=NEW_FILE)
@flag(
    "--escape-formulas",
    "Put ' before text cells that a spreadsheet would run as a formula (= + - @ tab CR first). Without it all cells "
    "stay as they are.",
)
@option("--rules", "Answers of a row obey these: rules, a line each (.txt), or a table of facts.", type=FILE)
@image_dir_option
@outside_option
def predict(run, table, image, text, output, escape_formulas, rules, image_dir, allow_external_paths):
    """Predict one image and sentence, or every row of TABLE, with RUN, a run's folder or a preset."""
    load_tensorflow()
    from kerasfusion import training, workflows

    loaded = training.from_preset(run)
    if table is None:
        if rules is not None:
            raise click.UsageError("--rules goes with a table.")
        say(workflows.predict(loaded, {"image": image, "text": text}).to_string(index=False))
        return
    predicted = workflows.predict(loaded, table, image_dir, allow_external_paths, rules)
    content = workflows.predictions_csv(predicted, escape_formulas)
    if output is None:
        # Bytes, past rich and the terminal's encoding: a file must hold the data as they are.
        click.echo(content, nl=False)
        return
    make_folder_of(output)
    with atomic_write(output.resolve()) as temporary:
        temporary.write_bytes(content)
    say(f"{len(predicted):,} rows written to {output}")
