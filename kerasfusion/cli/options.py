"""Options that several commands share."""

from pathlib import Path

import click

from kerasfusion.cli.parameters import Columns, Number, Output
from kerasfusion.feature_kinds import KINDS
from kerasfusion.problem_types import PROBLEM_TYPES

COLUMNS, FOLDER, FILE = Columns(), click.Path(path_type=Path), click.Path(path_type=Path)
NEW_FILE, NEW_FOLDER = Output(folder=False), Output(folder=True)


def option(name, help, default=None, type=None, **more):
    """An option that says its bounds and its default, where it has them."""
    if isinstance(type, Number):
        help = f"{help[:-1]}; {type.bound}."
    return click.option(name, help=help, default=default, type=type, show_default=default is not None, **more)


def flag(name, help):
    """An option that is on when it is given."""
    return click.option(name, is_flag=True, help=help)


seed_option = option("--seed", "Seed of splits, weights and order.", 0, Number("seed"))
image_dir_option = option("--image-dir", "Folder that relative image paths start from.", type=FOLDER)
outside_option = flag("--allow-external-paths", "Allow image paths that leave the folder.")
results_option = option(
    "--results", "Write the figures to this CSV file too, with the command that made them.", type=NEW_FILE
)


def together(*decorators):
    """Several options as one decorator."""

    def decorate(command):
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


data_options = together(
    click.argument("source"),
    *(option(f"--{kind}", traits.help, type=COLUMNS) for kind, traits in KINDS.items()),
    option("--label", "Column(s) to predict, divided by commas.", type=COLUMNS),
    option(
        "--problem-type",
        "Type of the task; retrieval learns which text goes with which image and has no label.",
        type=click.Choice(PROBLEM_TYPES),
    ),
    option("--classes", "Class names in order, divided by commas, for ordered classes.", type=COLUMNS),
    option("--split", "Column that says train, validation or test."),
    option("--group", "Rows of one group stay in one split."),
    option("--slice-by", "Column by which scores are broken down."),
    option("--sample-weight", "Column that multiplies each row's loss."),
    option("--image-size", "Side of images and frames in pixels.", type=Number("image_size")),
    option("--frames", "Frames taken of each video.", 8, Number("frames")),
    option("--boxes-per-image", "Boxes kept of a row.", type=Number("boxes_per_image")),
    option("--box-units", "What the boxes' coordinates count.", type=click.Choice(["pixels", "fractions"])),
    option("--box-image", "Image column that the boxes lie in."),
    option("--sample-rate", "Samples a second of signals.", type=Number("sample_rate")),
    option("--signal-length", "Samples kept of a signal.", type=Number("signal_length")),
    option("--sequence-length", "Words kept of a text.", type=Number("sequence_length")),
    option("--max-tokens", "Size limit of the vocabulary.", 10_000, Number("max_tokens")),
    option(
        "--tokenizer", "words, jieba (Chinese words), or the pieces of minilm or of a folder with a BERT.", "words"
    ),
    image_dir_option,
    outside_option,
    option("--cache-dir", "Folder for decoded images, used again later.", type=NEW_FOLDER),
    flag("--drop-label-leaks", "Leave out rows whose text names a class."),
    seed_option,
)
training_options = together(
    option("--epochs", "Most passes over the training rows; 20 without --max-seconds.", type=Number("epochs")),
    option("--max-seconds", "Train about so long, by a number of epochs.", type=Number("max_seconds")),
    option("--batch-size", "Rows per batch.", 64, Number("batch_size")),
    option("--patience", "Stop after so many epochs without a better loss.", 5, Number("patience")),
    option("--class-weight", "Weigh every class alike.", type=click.Choice(["balanced"])),
    option("--augmentation", "Vary the training images.", type=click.Choice(["light", "strong"])),
    option("--modality-dropout", "Share of rows that lose one in training.", 0.0, Number("modality_dropout")),
)
learning_rate_option = option("--learning-rate", "Highest learning rate.", 2e-3, Number("learning_rate"))


def output_dir_option(default):
    """`--output-dir`."""
    return option("--output-dir", "Folder of the run.", default, NEW_FOLDER)
