"""The command line. It holds no logic: every command reads its arguments, calls the package and prints."""

import contextlib
import importlib.util
import os
import shlex
import sys
import tempfile
import warnings
from pathlib import Path

import click
from rich.text import Text

from kerasfusion.failures import exit_code
from kerasfusion.files import atomic_write
from kerasfusion.parameters import Columns, Number, Output, Widths
from kerasfusion.problem_types import PROBLEM_TYPES
from kerasfusion.terminal import complain, prepare_streams, say, show, show_log_messages

# Only click and rich are loaded here: `--help` must answer at once. TensorFlow comes with the command that needs it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COLUMNS, FOLDER, FILE = Columns(), click.Path(path_type=Path), click.Path(path_type=Path)
NEW_FILE, NEW_FOLDER = Output(folder=False), Output(folder=True)
CONFIG = ("epochs", "max_seconds", "batch_size", "learning_rate", "patience", "class_weight", "augmentation")
CONFIG += ("modality_dropout",)
TRAINING = ("baselines", "init_from")
TRAINING += ("overwrite", "resume")


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
    option("--image", "Image column(s), divided by commas.", type=COLUMNS),
    option("--text", "Text column(s), divided by commas.", type=COLUMNS),
    option("--numeric", "Columns of plain numbers, divided by commas.", type=COLUMNS),
    option("--label", "Column(s) to predict, divided by commas.", type=COLUMNS),
    option(
        "--problem-type",
        "Type of the task; retrieval learns which text goes with which image and has no label.",
        type=click.Choice(PROBLEM_TYPES),
    ),
    option("--split", "Column that says train, validation or test."),
    option("--group", "Rows of one group stay in one split."),
    option("--slice-by", "Column by which scores are broken down."),
    option("--sample-weight", "Column that multiplies each row's loss."),
    option("--image-size", "Side of the images in pixels.", type=Number("image_size")),
    option("--sequence-length", "Words kept of a text.", type=Number("sequence_length")),
    option("--max-tokens", "Size limit of the vocabulary.", 10_000, Number("max_tokens")),
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app():
    """Train, compare and serve Keras models that join text and images."""
    show_log_messages()


@app.command("list")
@click.argument("pattern", default="*")
def list_command(pattern):
    """List the models of the zoo, or those that match a shell PATTERN such as "*film*"."""
    import kerasfusion as kf

    names = kf.list_models(pattern)
    if not names:
        raise click.BadParameter(f"no model matches {pattern!r}; `kerasfusion list` shows all.")
    entries = [kf.zoo.get_entry(name) for name in names]
    rows = [(entry.name, entry.summary, ", ".join(entry.inputs), entry.task, entry.source) for entry in entries]
    show(("model", "what it is", "needs", "learns a", "from"), rows)


@app.command()
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
@option("--init-from", "Start from the weights of this run, as far as they fit.", type=FOLDER)
@option("--lora", "Train low-rank changes of these weights and the heads: their rank.", type=Number("lora"))
@option("--lora-budget", "Leave this rank on average, where it is needed most.", type=Number("lora"))
@option("--teacher", "Learn what this run answers, beside the labels.", type=FOLDER)
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
    kf = _load()

    _check_results(results)
    config = _training_config(settings)
    options = {name: settings.pop(name) for name in TRAINING} | _transfer(settings)
    data = kf.data.load(source, **settings)
    pretrained = {"pretrained_embeddings": pretrained_embeddings, "image_weights": image_weights}
    options |= {name: given for name, given in pretrained.items() if given}
    if tensorboard:
        options["callbacks"] = [_tensorboard(output_dir / "logs")]
    run = _train(data, model, output_dir, config, **options)
    if results is not None:
        _record(results, kf.evaluation.score_rows(run.metrics), f"{run.config['model']}, {data.source}", config.seed)


@app.command()
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
    kf = _load()

    _check_results(results)
    config = _training_config(settings)
    data = kf.data.load(source, **settings)
    _print_data(data)
    with _interruptible():
        found = kf.compare(data, models, output_dir, seeds, config, fusions, overwrite=overwrite, resume=resume)
    if results is not None:
        _record(results, kf.evaluation.comparison_rows(found.table), results.stem, config.seed)
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
        show(
            ("", f"{part.metric} [95 % interval]", "p (adjusted)", "parameters", "training s", "ms a row", "MB"), rows
        )
    say(f"Comparison written to {output_dir}: comparison.html, comparison.csv, seeds.csv, runs/")


@app.command()
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
    kf = _load()

    config = _training_config(settings)
    data = kf.data.load(source, **settings)
    _print_data(data)
    tried = {"text_encoder": text_encoders, "image_encoder": image_encoders, "fusion": fusions, "units": units}
    choices = {name: values for name, values in tried.items() if values is not None}
    with _interruptible():
        found = kf.tune(data, output_dir, minutes, config, choices, overwrite=overwrite, resume=resume)
    say(found.trials.head(10).to_string(index=False, na_rep="", float_format="%.4g"))
    for report in found.run.metrics["tasks"].values():
        _print_scores(report)
    say(f"Search written to {output_dir}/search, the winner's run to {found.run.path}")


@app.command()
@output_dir_option("runs/demo")
@option("--export-to", "Where the SavedModel goes.", "runs/demo/saved_model", NEW_FOLDER)
@flag("--quick", "A small world and few epochs: seconds, to try it.")
@results_option
@seed_option
def demo(output_dir, export_to, quick, results, seed):
    """End to end on the shapes world: make the data, train, compare, export, verify, ask."""
    kf = _load()

    _check_results(results)
    data = kf.data.load("shapes:quick" if quick else "shapes", seed=seed)
    config = kf.workflows.demo_config(quick, seed)
    run = _train(data, None, output_dir, config, overwrite=True)
    if results is not None:
        _record(results, kf.evaluation.score_rows(run.metrics), "demo", seed)
    version = kf.export(output_dir, export_to)
    say(f"\nExported to {version}")
    ok = _print_verification(kf.verify(version))
    for line in kf.workflows.query_exported_model(version, data):
        say(line)
    sys.exit(0 if ok else 1)


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("source")
@image_dir_option
@outside_option
@option("--report", "Write a page about it here, as HTML.", type=NEW_FILE)
def evaluate(run, source, image_dir, allow_external_paths, report):
    """Score the run in folder RUN on another labelled table, SOURCE."""
    kf = _load()

    _make_folder_of(report)
    reports, skipped = kf.evaluate(run, source, image_dir, allow_external_paths, page=report)
    if skipped:
        say(f"Not used, or taken as missing: {skipped}")
    for found in reports.values():
        _print_scores(found.to_dict())
    if report is not None:
        say(f"Report written to {report}")


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("source", required=False)
@option("--output-dir", "Where curves and report go; RUN/robustness if absent.", type=NEW_FOLDER)
@image_dir_option
@outside_option
@option("--num-severities", "Points of each curve.", 6, Number("num_severities"))
@option("--seed", "Seed of what is dropped and added.", 0, Number("seed"))
def robustness(run, source, output_dir, image_dir, allow_external_paths, num_severities, seed):
    """Score the run in folder RUN on missing and noisy inputs: its own test split, or a labelled table, SOURCE."""
    kf = _load()

    run = kf.load(run)
    found = kf.robustness(run, source, output_dir, image_dir, allow_external_paths, num_severities, seed)
    rows = []
    for row in found.summary.to_dict("records"):
        effective = f"{row['effective']:+.4f}" if row["reference"] else ""
        cells = (row["corruption"], row["model"], f"{row['relative']:.4f}", effective, row["reference"] or "")
        rows.append((run.schema[row["task"]].title, *cells))
    show(("task", "", "model", "relative", "effective", "against"), rows, title="Robustness")
    say(f"Report written to {output_dir or run.path / 'robustness'}/report.html")


@app.command()
@click.argument("run", type=FOLDER)
def report(run):
    """Draw the figures and write the page of the finished run in folder RUN again."""
    failed = _load().workflows.rebuild_report(run)
    if not failed:
        say(f"Report written to {run}/report.html and {run}/figures")
    sys.exit(1 if failed else 0)


@app.command()
@click.argument("run", type=FOLDER)
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
    """Predict one image and sentence, or every row of TABLE, with the run in folder RUN."""
    kf = _load()

    loaded = kf.load(run)
    if table is None:
        if rules is not None:
            raise click.UsageError("--rules goes with a table.")
        say(kf.workflows.predict(loaded, {"image": image, "text": text}).to_string(index=False))
        return
    predicted = kf.workflows.predict(loaded, table, image_dir, allow_external_paths, rules)
    content = kf.workflows.predictions_csv(predicted, escape_formulas)
    if output is None:
        # Bytes, past rich and the terminal's encoding: a file must hold the data as they are.
        click.echo(content, nl=False)
        return
    _make_folder_of(output)
    with atomic_write(output.resolve()) as temporary:
        temporary.write_bytes(content)
    say(f"{len(predicted):,} rows written to {output}")


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("model_dir", type=NEW_FOLDER)
@flag("--freeze", "Weights as constants of a simplified graph.")
@flag("--bfloat16", "The same in bfloat16: half the size.")
@flag("--lite", "A model with 8-bit weights for LiteRT too (an extra).")
@option("--data", "A labelled table to measure on; else the test split.")
@click.option("--evaluate/--no-evaluate", default=True, help="Measure what --freeze, --bfloat16 and --lite cost.")
@option("--max-pixels", "Requests' images of more pixels are unreadable.", 25_000_000, Number("max_pixels"))
def export(run, model_dir, **options):
    """Write the next version of a SavedModel into folder MODEL_DIR from the run in folder RUN, and verify it."""
    kf = _load()

    version = kf.export(run, model_dir, **options)
    say(f"Exported to {version}")
    for line in kf.workflows.format_export_metrics(version):
        say(line)
    sys.exit(0 if _print_verification(kf.verify(version)) else 1)


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("gallery", type=click.Path(exists=True, path_type=Path))
@click.argument("model_dir", type=NEW_FOLDER)
@option("--id", "Column that names the images of a table; else their paths do.")
@option("--k", "Images that a search gives.", 10, Number("k"))
@image_dir_option
@outside_option
def index(run, gallery, model_dir, id, k, image_dir, allow_external_paths):
    """Export the dual encoder in folder RUN into folder MODEL_DIR with the images of GALLERY inside, to be searched.

    GALLERY is a folder of images, or a table with the run's image column. Each time the next version is written.
    """
    kf = _load()

    places = {"image_dir": image_dir, "allow_external_paths": allow_external_paths}
    version, left_out = kf.export_search_index(run, gallery, model_dir, id_column=id, k=k, **places)
    if left_out:
        more = ", …" if len(left_out) > 20 else ""
        say(f"Not indexed, {len(left_out):,} that cannot be read: {', '.join(left_out[:20])}{more}")
    say(f"Exported to {version}")
    sys.exit(0 if _print_verification(kf.verify(version)) else 1)


@app.command()
@click.argument("path", type=FOLDER)
def verify(path):
    """Check the served model, or the one version, in folder PATH with the loader that TensorFlow Serving uses."""
    import kerasfusion as kf

    sys.exit(0 if _print_verification(kf.verify(path)) else 1)


@app.command()
@click.argument("folder", type=FOLDER)
@option("--port", "Port to listen on, 0 for a free one.", 8501, Number("port"))
@option("--host", "Address to listen on; 0.0.0.0 opens it to the network.", "127.0.0.1")
@option("--threads", "Requests run at once; one per core if absent.", type=Number("threads"))
@option("--max-rows", "Rows of one request.", 1024, Number("max_rows"))
@option("--max-decoded-bytes", "Bytes of one request's images once decoded.", 2**28, Number("max_decoded_bytes"))
@option("--max-request-bytes", "Bytes of one request.", 2**26, Number("max_request_bytes"))
@option("--max-body-bytes", "Bytes of all requests held at the same time.", 2**28, Number("max_body_bytes"))
@option("--max-connections", "Open connections.", 512, Number("max_connections"))
@option("--graceful-timeout", "Seconds for requests in flight when it stops.", 10.0, Number("graceful_timeout"))
def serve(folder, port, host, threads, max_request_bytes, **limits):
    """Try the models in FOLDER over HTTP: a stand-in for TensorFlow Serving's REST API.

    Production runs TensorFlow Serving. FOLDER holds NAME/VERSION/, or is one model's.
    """
    import kerasfusion as kf

    limits = kf.serving.ServerLimits(**limits)
    kf.serving.serve(folder, host, port, threads, max_request_bytes, limits)


@app.command("serving-files")
@click.argument("folder", type=FOLDER)
@flag("--overwrite", "Replace files that exist and differ.")
def serving_files(folder, overwrite):
    """Write TensorFlow Serving's own configuration for the models in FOLDER: models, batching, monitoring."""
    import kerasfusion as kf

    for path in kf.serving.write_serving_config(folder, overwrite):
        say(f"Written: {path}")


def _load():
    """The package with TensorFlow behind it, without the lines that TensorFlow writes while it is imported."""
    import kerasfusion

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
    return kerasfusion


def _training_config(settings):
    """Take the options of `TrainingConfig` out of `settings`; the rest is for `kf.data.load`."""
    import kerasfusion as kf

    own = {name: settings.pop(name) for name in CONFIG if name in settings}
    return kf.training.TrainingConfig(**own, seed=settings["seed"])


@contextlib.contextmanager
def _interruptible():
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted. The same command with --resume goes on from here.")
        sys.exit(130)


def _train(data, model, output_dir, config, **options):
    kf = _load()

    name, reason = (model, "given") if model else kf.workflows.default_model(data)
    rows = [("model", name, reason, "--model")]
    if config.augmentation:
        _, why = kf.data.choose_augmentation(data.splits["train"], config.augmentation)
        rows.append(("augmentation", config.augmentation, why, "--augmentation"))
    _print_data(data, rows)
    try:
        run = kf.train(
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
        _print_scores(report)
    say(f"Run written to {run.path}: report.html, metrics.json, model.keras, figures/")
    return run


def _transfer(settings):
    """The options of LoRA and distillation, taken out of the settings, as arguments of `kf.train`."""
    import kerasfusion as kf

    rank, budget, teacher = (settings.pop(name) for name in ("lora", "lora_budget", "teacher"))
    loss = {name: settings.pop(f"teacher_{name}") for name in ("weight", "temperature")}
    loss = {name: value for name, value in loss.items() if value is not None}
    if budget is not None and rank is None:
        raise click.UsageError("--lora-budget goes with --lora, the rank to begin with.")
    if loss and teacher is None:
        raise click.UsageError("--teacher-weight and --teacher-temperature go with --teacher, the run to learn from.")
    return {
        "lora": None if rank is None else kf.training.LoRAConfig(rank, budget),
        "distillation": None if teacher is None else kf.training.DistillationConfig(teacher, **loss),
    }


def _tensorboard(folder):
    """Keras's TensorBoard callback, or an error that says which extra to install."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError("TensorBoard logs need the package tensorboard: pip install 'kerasfusion[tensorboard]'.")
    import keras

    return keras.callbacks.TensorBoard(folder)


def _make_folder_of(file):
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)


def _check_results(results):
    """Refuse a file that is not one of results before the work whose results it would not take."""
    if results is not None and results.exists():
        _load().evaluation.results.read_results(results)


def _record(results, rows, experiment, seed):
    _load().evaluation.append_results(results, rows, experiment, shlex.join(["kerasfusion", *sys.argv[1:]]), seed)


def _print_data(data, further=()):
    rows = [tuple(map(str, row)) for row in (*data.settings, *further)]
    show(("what", "value", "why", "change with"), rows, title=f"Data: {data.source}")
    if data.skipped:
        say(f"Skipped {data.skipped}")
    for note in data.notes:
        say(f"Note: {note}")


def _usable(output_dir):
    if (output_dir / "model.keras").exists():
        return f"the best model so far can be used by evaluate, predict and export {output_dir}."
    return "no epoch was done, so there is no model yet."


def _print_scores(report):
    say(f"\n{report['verdict']}", "bold")
    if report.get("type") == "retrieval":
        _show_match(report)
        return
    if report.get("type") == "captioning":
        _show_captions(report)
        return
    first = next(iter(report["scores"].values()))
    kinds = list(next(iter(report["by_kind"].values()), {}))
    # Many classes do not fit a terminal's width; they are all in metrics.json.
    kinds = kinds if len(kinds) <= 6 else []
    rows = []
    for name, score in report["scores"].items():
        by_kind = report["by_kind"].get(name, {})
        rows.append((name, _figure(score, interval=True), *(_figure(by_kind[kind]) for kind in kinds)))
    show(("", f"{first['name']} [95 % interval]", *map(str, kinds)), rows)


def _show_match(report):
    rows = []
    directions = {**report["directions"], **{f"chance, {name}": part for name, part in report["chance"].items()}}
    for name, part in directions.items():
        recall = (f"{value:.1%}" for value in part["recall"].values())
        counts = (f"{part[key]:,}" for key in ("queries", "gallery"))
        rows.append((name, *recall, f"{part['median_rank']:g}", f"{part['mrr']:.3f}", *counts))
    show(("", "R@1", "R@5", "R@10", "median rank", "MRR", "queries", "searched"), rows)


def _show_captions(report):
    columns = ("", "CIDEr [95 % interval]", "BLEU-1", "BLEU-4", "ROUGE-L", "novel", "distinct words", "length")
    rows = []
    for name, found in report["scores"].items():
        cider, novel = found["cider"], "" if found["novel"] is None else f"{found['novel']:.1%}"
        ends = f"{cider['value']:.3f} [{cider['low']:.3f}, {cider['high']:.3f}]"
        bleu = (f"{found['bleu'][order]:.1f}" for order in (0, 3))
        rest = (f"{found['rouge_l']:.3f}", novel, f"{found['words']:,}", f"{found['length']:.1f}")
        rows.append((name, ends, *bleu, *rest))
    show(columns, rows)


def _figure(score, interval=False):
    def one(value):
        return f"{value:.4g}" if score["name"] == "mae" else f"{value:.1%}"

    ends = f" [{one(score['low'])}, {one(score['high'])}]" if interval else ""
    return one(score["value"]) + ends


def _print_verification(report):
    marks = {True: Text("ok", "green"), False: Text("FAIL", "red"), None: "info"}
    rows = [(marks[row.ok], row.name, row.detail) for row in report.rows]
    show(("", "check", "found"), rows, title=f"{report.path}: {'verified' if report.ok else 'FAILED'}")
    return report.ok


def main():
    """Run the command line: every error ends in one message, and an unexpected one's traceback in a log file."""
    prepare_streams()
    warnings.showwarning = lambda message, *_: complain("Note", str(message))
    sys.exit(exit_code(app))


if __name__ == "__main__":
    main()
