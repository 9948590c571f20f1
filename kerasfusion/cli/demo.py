"""The end-to-end demo on the shapes world."""

import sys

import click

from kerasfusion.cli.console import say, show_verification
from kerasfusion.cli.jobs import check_results, load_tensorflow, record_results, train_and_show
from kerasfusion.cli.options import NEW_FOLDER, flag, option, output_dir_option, results_option, seed_option


@click.command()
@output_dir_option("runs/demo")
@option("--export-to", "Where the SavedModel goes.", "runs/demo/saved_model", NEW_FOLDER)
@flag("--quick", "A small world and few epochs: seconds, to try it.")
@results_option
@seed_option
def demo(output_dir, export_to, quick, results, seed):
    """End to end on the shapes world: make the data, train, compare, export, verify, ask."""
    load_tensorflow()
    from kerasfusion import evaluation, serving, workflows
    from kerasfusion.data import load

    check_results(results)
    data = load("shapes:quick" if quick else "shapes", seed=seed)
    config = workflows.demo_config(quick, seed)
    run = train_and_show(data, workflows.DEMO_MODEL, output_dir, config, overwrite=True, **workflows.DEMO_CHANGES)
    if results is not None:
        record_results(results, evaluation.score_rows(run.metrics), "demo", seed)
    version = workflows.export(output_dir, export_to)
    say(f"\nExported to {version}")
    ok = show_verification(serving.verify(version))
    say(f"\n{workflows.format_accuracy(run.metrics)}")
    for line in workflows.query_exported_model(version, data):
        say(line)
    sys.exit(0 if ok else 1)
