"""Compare models over several seeds."""

import click

from kerasfusion.cli.console import say, show, show_data
from kerasfusion.cli.jobs import check_results, interruptible, load_tensorflow, record_results, training_config
from kerasfusion.cli.options import (
    COLUMNS,
    data_options,
    flag,
    learning_rate_option,
    option,
    output_dir_option,
    results_option,
    training_options,
)
from kerasfusion.cli.parameters import Number


@click.command()
@data_options
@option("--models", "Names and patterns of the zoo, divided by commas; chosen by the data if absent.", type=COLUMNS)
@option("--fusions", "Fusions to put into the family's model, divided by commas.", type=COLUMNS, default=[])
@option("--seeds", "Seeds of every model, from --seed on.", 3, Number("seeds"))
@output_dir_option("comparisons/comparison")
@training_options
@learning_rate_option
@results_option
@flag("--overwrite", "Replace the comparison in that folder.")
@flag("--resume", "Go on with the comparison in that folder.")
def compare(source, models, fusions, seeds, output_dir, results, overwrite, resume, **settings):
    """Train several models alike, with several seeds and baselines, and say which differences are more than chance.

    --models classifier_gated,"classifier_*" names models; --fusions mutan,film puts fusions into one. --epochs gives
    all the same number of epochs, --max-seconds the same time.
    """
    load_tensorflow()
    from kerasfusion import evaluation, workflows
    from kerasfusion.data import load

    check_results(results)
    config = training_config(settings)
    data = load(source, **settings)
    show_data(data)
    with interruptible():
        found = workflows.compare(
            data, models, output_dir, seeds, config, fusions, overwrite=overwrite, resume=resume
        )
    if results is not None:
        record_results(results, evaluation.comparison_rows(found.table), results.stem, config.seed)
    for part in found.tasks.values():
        say(f"\n{part.verdict}", "bold")
        rows = []
        for row in found.table[found.table["task"] == part.task.title].to_dict("records"):
            score = f"{part.figure(row['mean'])} [{part.figure(row['low'])}, {part.figure(row['high'])}]"
            p = "" if row["model"] == part.best else f"{row['p_adjusted']:.3f}"
            forms = {"parameters": ",.0f", "train_seconds": ",.1f", "latency_ms": ".2f", "export_mb": ".2f"}
            # What was never trained has no costs (NaN, which is unequal to itself).
            cells = (f"{row[name]:{form}}" if row[name] == row[name] else "" for name, form in forms.items())
            rows.append((row["model"], score, p, *cells))
        costs = ("parameters", "training s", "ms a row", "MB")
        show(("", f"{part.metric} [95 % interval]", "p (adjusted)", *costs), rows)
    say(f"Comparison written to {output_dir}: comparison.html, comparison.csv, seeds.csv, runs/")
