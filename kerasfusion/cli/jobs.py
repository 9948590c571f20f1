"""What commands share besides options: loading TensorFlow, the training config, a training, recording results."""

import contextlib
import importlib.util
import os
import shlex
import sys
import tempfile

import click

from kerasfusion.cli.console import say, show_data, show_scores

CONFIG: tuple[str, ...] = (
    "epochs",
    "max_seconds",
    "batch_size",
    "learning_rate",
    "patience",
    "class_weight",
    "augmentation",
)
CONFIG += ("modality_dropout",)


def load_tensorflow():
    """Import TensorFlow without the lines that it writes meanwhile."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as spoken:
        os.dup2(spoken.fileno(), 2)
        try:
            import tensorflow as tf
        except BaseException:
            spoken.seek(0)
            os.write(kept, spoken.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    # Its warnings are about its own affairs (a function traced again for another model), not about the user's data.
    tf.get_logger().setLevel("ERROR")


def training_config(settings):
    """Take the options of `TrainingConfig` out of `settings`; the rest is for `kf.data.load`."""
    from kerasfusion.training import TrainingConfig

    own = {name: settings.pop(name) for name in CONFIG if name in settings}
    return TrainingConfig(**own, seed=settings["seed"])


def transfer_options(settings):
    """The options of LoRA and distillation, taken out of the settings, as arguments of `kf.train`."""
    from kerasfusion.training import DistillationConfig, LoRAConfig

    rank, budget, teacher = (settings.pop(name) for name in ("lora", "lora_budget", "teacher"))
    loss = {name: settings.pop(f"teacher_{name}") for name in ("weight", "temperature")}
    loss = {name: value for name, value in loss.items() if value is not None}
    if budget is not None and rank is None:
        raise click.UsageError("--lora-budget goes with --lora, the rank to begin with.")
    if loss and teacher is None:
        raise click.UsageError("--teacher-weight and --teacher-temperature go with --teacher, the run to learn from.")
    return {
        "lora": None if rank is None else LoRAConfig(rank, budget),
        "distillation": None if teacher is None else DistillationConfig(teacher, **loss),
    }


def tensorboard_callback(folder):
    """Keras's TensorBoard callback, or an error that says which extra to install."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError("TensorBoard logs need the package tensorboard: pip install 'kerasfusion[tensorboard]'.")
    import keras

    return keras.callbacks.TensorBoard(folder)


@contextlib.contextmanager
def interruptible():
    """End with exit code 130 at Ctrl-C, and say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted. The same command with --resume goes on from here.")
        sys.exit(130)


def train_and_show(data, model, output_dir, config, **options):
    """Show what the data is, train, and show the scores: the run."""
    load_tensorflow()
    from kerasfusion import workflows
    from kerasfusion.data import choose_augmentation

    name, reason = (model, "given") if model else workflows.default_model(data)
    data = workflows.read_for_model(data, name)
    rows = [("model", name, reason, "--model")]
    if config.augmentation:
        _, why = choose_augmentation(data.splits["train"], config.augmentation)
        rows.append(("augmentation", config.augmentation, why, "--augmentation"))
    show_data(data, rows)
    try:
        run = workflows.train(
            data,
            model=name,
            output_dir=output_dir,
            config=config,
            **options,
        )
    except KeyboardInterrupt:
        say(f"Interrupted. The same command with --resume goes on; {_usable(output_dir)}")
        sys.exit(130)
    for report in run.metrics["tasks"].values():
        show_scores(report)
    say(f"Run written to {run.path}: report.html, metrics.json, model.keras, figures/")
    return run


def make_folder_of(file):
    """Make the folder that a file goes into."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)


def check_results(results):
    """Refuse a file that is not one of results before the work whose results it would not take."""
    if results is not None and results.exists():
        load_tensorflow()
        from kerasfusion.evaluation.results import read_results

        read_results(results)


def record_results(results, rows, experiment, seed):
    """Append rows of figures to a CSV file, with the command that made them."""
    from kerasfusion.evaluation import append_results

    append_results(results, rows, experiment, shlex.join(["kerasfusion", *sys.argv[1:]]), seed)


def _usable(output_dir):
    if (output_dir / "model.keras").exists():
        return f"the best model so far can be used by evaluate, predict and export {output_dir}."
    return "no epoch was done, so there is no model yet."
