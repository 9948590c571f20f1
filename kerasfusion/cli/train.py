"""Train a model and its baselines."""

import click

from kerasfusion.cli.jobs import (
    check_results,
    load_tensorflow,
    record_results,
    tensorboard_callback,
    train_and_show,
    training_config,
    transfer_options,
)
from kerasfusion.cli.options import (
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
@option("--model", "A name from `kerasfusion list`; chosen by the data if absent.")
@output_dir_option("runs/run")
@option(
    "--pretrained-embeddings",
    "Pretrained word vectors: a word and its numbers a line.",
    type=click.Path(dir_okay=False),
)
@option("--image-weights", "Weights of a MobileNetV2 or the like: imagenet, or a file. They stay as they are.")
@training_options
@learning_rate_option
@click.option("--baselines/--no-baselines", default=True, help="Train the single-modality baselines too.")
@option("--init-from", "Start from the weights of this run or preset, as far as they fit.")
@option("--lora", "Train low-rank changes of these weights and the heads: their rank.", type=Number("lora"))
@option("--lora-budget", "Leave this rank on average, where it is needed most.", type=Number("lora"))
@option("--teacher", "Learn what this run or preset answers, beside the labels.")
@option("--teacher-weight", "Its weight in the loss, 0.5 if absent.", type=Number("teacher_weight"))
@option("--teacher-temperature", "Of its logits, 4 if absent; higher is softer.", type=Number("teacher_temperature"))
@flag("--tensorboard", "Write TensorBoard logs (an extra).")
@results_option
@flag("--overwrite", "Replace the run in that folder.")
@flag("--resume", "Go on with the interrupted run in that folder.")
def train(source, model, output_dir, pretrained_embeddings, image_weights, tensorboard, results, **settings):
    """Train a model, and what it has to beat, on a table of images, sentences and labels.

    SOURCE is a CSV, TSV, JSONL, JSON, Parquet or npz file, `shapes`, `sort_of_clevr`, or `tfds:NAME`.
    """
    load_tensorflow()
    from kerasfusion import evaluation
    from kerasfusion.data import load

    check_results(results)
    config = training_config(settings)
    options = {
        name: settings.pop(name) for name in ("baselines", "init_from", "overwrite", "resume")
    } | transfer_options(settings)
    data = load(source, **settings)
    pretrained = {"pretrained_embeddings": pretrained_embeddings, "image_weights": image_weights}
    options |= {name: given for name, given in pretrained.items() if given}
    if tensorboard:
        options["callbacks"] = [tensorboard_callback(output_dir / "logs")]
    run = train_and_show(data, model, output_dir, config, **options)
    if results is not None:
        record_results(
            results, evaluation.score_rows(run.metrics), f"{run.config['model']}, {data.source}", config.seed
        )
