"""The command line. It holds no logic: every command reads its arguments, calls the package and prints."""

import contextlib
import os
import shlex
import sys
import tempfile
import warnings
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Only click and rich are loaded here: `--help` must answer at once. TensorFlow comes with the command that needs it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

console = Console(highlight=False, soft_wrap=True)


class Columns(click.ParamType):
    """Names of columns, divided by commas."""

    name = "columns"

    def convert(self, value, param, ctx):
        return value if isinstance(value, list) else [part.strip() for part in value.split(",") if part.strip()]


COLUMNS, FOLDER, FILE = Columns(), click.Path(path_type=Path), click.Path(path_type=Path)
POSITIVE, SHARE = click.FloatRange(0, min_open=True), click.FloatRange(0, 1, min_open=True)
RECIPE = ("epochs", "seconds", "batch_size", "learning_rate", "patience", "class_weight", "augment")
RECIPE += ("modality_dropout",)
TRAINING = ("baselines", "init_from", "lora", "lora_budget", "teacher", "teacher_weight", "teacher_temperature")
TRAINING += ("tensorboard", "overwrite", "resume")


def option(name, help, default=None, type=None, **more):
    """An option that says its default, where it has one."""
    return click.option(name, help=help, default=default, type=type, show_default=default is not None, **more)


def flag(name, help):
    """An option that is on when it is given."""
    return click.option(name, is_flag=True, help=help)


seed_option = option("--seed", "Seed of splits, weights and order.", 0)
image_dir_option = option("--image-dir", "Folder that relative image paths start from.", type=FOLDER)
outside_option = flag("--allow-outside", "Allow image paths that leave the folder.")
results_option = option(
    "--results", "Write the figures to this CSV file too, with the command that made them.", type=FILE
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
    option("--image", "Picture column(s), divided by commas.", type=COLUMNS),
    option("--text", "Text column(s), divided by commas.", type=COLUMNS),
    option("--numbers", "Columns of plain numbers, divided by commas.", type=COLUMNS),
    option("--label", "Column(s) to predict, divided by commas.", type=COLUMNS),
    flag("--match", "Learn which text goes with which picture instead of a label."),
    option("--label-kind", "What they are.", type=click.Choice(["binary", "classes", "tags", "number", "caption"])),
    option("--split", "Column that says train, validation or test."),
    option("--group", "Rows of one group stay in one split."),
    option("--type", "Column by which scores are broken down."),
    option("--weight", "Column that multiplies each row's loss."),
    option("--image-size", "Side of the pictures in pixels.", type=int),
    option("--text-length", "Words kept of a text.", type=int),
    option("--max-words", "Size limit of the vocabulary.", 10_000),
    image_dir_option,
    outside_option,
    option("--cache-dir", "Folder for decoded pictures, used again later.", type=FOLDER),
    flag("--drop-naming", "Leave out rows whose text names a class."),
    seed_option,
)
recipe_options = together(
    option("--epochs", "Most passes over the training rows; 20 without --seconds.", type=click.IntRange(min=1)),
    option("--seconds", "Train about so long, by a number of epochs.", type=click.FloatRange(0, min_open=True)),
    option("--batch-size", "Rows per batch.", 64, click.IntRange(min=1)),
    option("--patience", "Stop after so many epochs without a better loss.", 5),
    option("--class-weight", "Weigh every class alike.", type=click.Choice(["balanced"])),
    option("--augment", "Vary the training pictures.", type=click.Choice(["light", "strong"])),
    option(
        "--modality-dropout", "Share of rows that lose one in training.", 0.0, click.FloatRange(0, 1, max_open=True)
    ),
)
learning_rate_option = option("--learning-rate", "Highest learning rate.", 2e-3)


def out_option(default):
    """`--out`."""
    return option("--out", "Folder of the run.", default, FOLDER)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app():
    """Train, compare and serve Keras models that join text and images."""


@app.command("list")
@click.argument("pattern", default="*")
def list_command(pattern):
    """List the models of the zoo, or those that match a shell PATTERN such as "*film*"."""
    import kerasfusion as kf

    names = kf.list_models(pattern)
    if not names:
        raise click.BadParameter(f"no model matches {pattern!r}; `kerasfusion list` shows all.")
    table = Table("model", "what it is", "needs", "learns a", "from")
    for name in names:
        entry = kf.zoo.get_entry(name)
        table.add_row(name, entry.summary, ", ".join(entry.inputs), entry.task, entry.source)
    console.print(table)


@app.command()
@data_options
@option("--model", "A name from `kerasfusion list`; chosen by the data if absent.")
@out_option("runs/run")
@option("--word-vectors", "Pretrained word vectors: a word and its numbers a line.", type=click.Path(dir_okay=False))
@option("--image-weights", "Weights of a MobileNetV2 or the like: imagenet, or a file. They stay as they are.")
@recipe_options
@learning_rate_option
@click.option("--baselines/--no-baselines", default=True, help="Train the single-modality baselines too.")
@option("--init-from", "Start from the weights of this run, as far as they fit.", type=FOLDER)
@option("--lora", "Train low-rank changes of these weights and the heads: their rank.", type=click.IntRange(min=1))
@option("--lora-budget", "Leave this rank on average, where it is needed most.", type=click.IntRange(min=1))
@option("--teacher", "Learn what this run answers, beside the labels.", type=FOLDER)
@option("--teacher-weight", "Its weight in the loss, 0.5 if absent; the labels have the rest.", type=SHARE)
@option("--teacher-temperature", "Of its logits, 4 if absent: higher shows what is nearly right.", type=POSITIVE)
@flag("--tensorboard", "Write TensorBoard logs (an extra).")
@results_option
@flag("--overwrite", "Replace the run in that folder.")
@flag("--resume", "Go on with the interrupted run in that folder.")
def train(source, model, out, word_vectors, image_weights, results, **settings):
    """Train a model, and what it has to beat, on a table of pictures, sentences and labels.

    SOURCE is a CSV, TSV, JSONL, JSON, Parquet or npz file, `shapes`, `sort_of_clevr`, or `tfds:NAME`.
    """
    kf = _load()

    recipe = _recipe(settings)
    options = {name: settings.pop(name) for name in TRAINING}
    data = kf.data.load(source, **settings)
    pretrained = {"word_vectors": word_vectors, "image_weights": image_weights}
    options |= {name: given for name, given in pretrained.items() if given}
    run = _train(data, model, out, recipe, **options)
    if results is not None:
        _record(results, kf.evaluation.score_rows(run.metrics), f"{run.config['model']}, {data.source}", recipe.seed)


@app.command()
@data_options
@option("--models", "Names and patterns of the zoo, divided by commas; chosen by the data if absent.", type=COLUMNS)
@option("--fusions", "Fusions to put into the family's model, divided by commas.", type=COLUMNS, default=[])
@option("--seeds", "Seeds of every model, from --seed on.", 3, click.IntRange(min=1))
@out_option("comparisons/comparison")
@recipe_options
@learning_rate_option
@results_option
@flag("--overwrite", "Replace the comparison in that folder.")
@flag("--resume", "Go on with the comparison in that folder.")
def compare(source, models, fusions, seeds, out, results, overwrite, resume, **settings):
    """Train several models alike, with several seeds and baselines, and say which differences are more than chance.

    --models classifier_gated,"classifier_*" names models; --fusions mutan,film puts fusions into one. --epochs gives
    all the same number of epochs, --seconds the same time.
    """
    kf = _load()

    recipe = _recipe(settings)
    data = kf.data.load(source, **settings)
    _print_data(data)
    with _interruptible():
        found = kf.compare(data, models, out, seeds, recipe, fusions, say=_say, overwrite=overwrite, resume=resume)
    if results is not None:
        _record(results, kf.evaluation.comparison_rows(found.table), results.stem, recipe.seed)
    for part in found.tasks.values():
        console.print(f"\n[bold]{escape(part.verdict)}[/]")
        table = Table("", f"{part.metric} [95 % interval]", "p", "parameters", "training s", "ms a row", "MB")
        for row in found.table[found.table["task"] == part.task.name].to_dict("records"):
            score = f"{part.figure(row['mean'])} [{part.figure(row['low'])}, {part.figure(row['high'])}]"
            p = "" if row["model"] == part.best else f"{row['p_holm']:.3f}"
            forms = {"parameters": ",.0f", "train_seconds": ",.1f", "latency_ms": ".2f", "export_mb": ".2f"}
            # What was never trained has no costs (NaN, which is unequal to itself).
            cells = (f"{row[name]:{form}}" if row[name] == row[name] else "" for name, form in forms.items())
            table.add_row(row["model"], score, p, *cells)
        console.print(table)
    console.print(f"Comparison written to [bold]{out}[/]: comparison.html, comparison.csv, seeds.csv, runs/")


@app.command()
@data_options
@option("--minutes", "Time for search and final training.", 30, click.FloatRange(0, min_open=True))
@option("--text-encoders", "Text encoders to try, divided by commas.", type=COLUMNS)
@option("--image-encoders", "Image encoders to try, divided by commas.", type=COLUMNS)
@option("--fusions", "Fusions to try, divided by commas.", type=COLUMNS)
@option("--units", "Widths to try, divided by commas.", type=COLUMNS)
@out_option("runs/tuned")
@recipe_options
@flag("--overwrite", "Replace the search in that folder.")
@flag("--resume", "Go on with the search in that folder.")
def tune(source, minutes, text_encoders, image_encoders, fusions, units, out, overwrite, resume, **settings):
    """Search encoders, fusion, width, dropout and learning rate for so many minutes (extra [tune]).

    The best model by validation loss is trained again with its baselines, an ordinary run in OUT/run.
    """
    kf = _load()

    recipe = _recipe(settings)
    data = kf.data.load(source, **settings)
    _print_data(data)
    units = None if units is None else [int(width) for width in units]
    tried = {"text_encoder": text_encoders, "image_encoder": image_encoders, "fusion": fusions, "units": units}
    choices = {name: values for name, values in tried.items() if values is not None}
    with _interruptible():
        found = kf.tune(data, out, minutes, recipe, choices, say=_say, overwrite=overwrite, resume=resume)
    console.print(found.trials.head(10).to_string(index=False, na_rep="", float_format="%.4g"), markup=False)
    for report in found.run.metrics["tasks"].values():
        _print_scores(report)
    console.print(f"Search written to {out}/search, the winner's run to [bold]{found.run.path}[/]")


@app.command()
@out_option("runs/demo")
@option("--export-to", "Where the SavedModel goes.", "runs/demo/saved_model", FOLDER)
@flag("--quick", "A small world and few epochs: seconds, to try it.")
@results_option
@seed_option
def demo(out, export_to, quick, results, seed):
    """End to end on the shapes world: make the data, train, compare, export, verify, ask."""
    kf = _load()

    data = kf.data.load("shapes:quick" if quick else "shapes", seed=seed)
    recipe = kf.recipes.demo_recipe(quick, seed)
    run = _train(data, None, out, recipe, overwrite=True)
    if results is not None:
        _record(results, kf.evaluation.score_rows(run.metrics), "demo", seed)
    version = kf.export(out, export_to)
    console.print(f"\nExported to [bold]{version}[/]")
    ok = _print_verification(kf.verify(version))
    for line in kf.recipes.ask_export(version, data):
        console.print(line)
    sys.exit(0 if ok else 1)


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("source")
@image_dir_option
@outside_option
@option("--report", "Write a page about it here, as HTML.", type=FILE)
def evaluate(run, source, image_dir, allow_outside, report):
    """Score the run in folder RUN on another labelled table, SOURCE."""
    kf = _load()

    reports, skipped = kf.evaluate(run, source, image_dir, allow_outside, page=report)
    if skipped:
        console.print(f"Not used, or taken as missing: {skipped}", markup=False)
    for found in reports.values():
        _print_scores(found.to_dict())
    if report is not None:
        console.print(f"Report written to {report}")


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("source", required=False)
@option("--out", "Where curves and report go; RUN/robustness if absent.", type=FOLDER)
@image_dir_option
@outside_option
@option("--degrees", "Points of each curve.", 6, click.IntRange(min=2))
@option("--seed", "Seed of what is dropped and added.", 0)
def robustness(run, source, out, image_dir, allow_outside, degrees, seed):
    """Score the run in folder RUN on missing and noisy inputs: its own test split, or a labelled table, SOURCE."""
    kf = _load()

    run = kf.load(run)
    found = kf.robustness(run, source, out, image_dir, allow_outside, degrees, seed)
    table = Table("task", "", "model", "relative", "effective", "against", title="Robustness")
    for row in found.summary.to_dict("records"):
        effective = f"{row['effective']:+.4f}" if row["reference"] else ""
        cells = (row["corruption"], row["model"], f"{row['relative']:.4f}", effective, row["reference"] or "")
        table.add_row(row["task"], *cells)
    console.print(table)
    console.print(f"Report written to {out or run.path / 'robustness'}/report.html")


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("table", type=FILE, required=False)
@option("--image", "One picture.", type=FILE)
@option("--text", "One sentence.")
@option("--out", "Write the table with predictions here, as CSV.", type=FILE)
@option("--rules", "Answers of a row obey these: rules, a line each (.txt), or a table of facts.", type=FILE)
@image_dir_option
@outside_option
def predict(run, table, image, text, out, rules, image_dir, allow_outside):
    """Predict one picture and sentence, or every row of TABLE, with the run in folder RUN."""
    kf = _load()

    loaded = kf.load(run)
    if table is None:
        if rules is not None:
            raise click.UsageError("--rules goes with a table.")
        console.print(kf.recipes.predict_one(loaded, image, text).to_string(index=False), markup=False)
        return
    predicted = kf.recipes.predict_table(loaded, table, image_dir, allow_outside, rules)
    if out is None:
        console.print(predicted.to_csv(index=False), markup=False, end="")
        return
    predicted.to_csv(out, index=False)
    console.print(f"{len(predicted):,} rows written to {out}")


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("base", type=FOLDER)
@flag("--freeze", "Weights as constants of a simplified graph.")
@flag("--bfloat16", "The same in bfloat16: half the size.")
@flag("--lite", "A model with 8-bit weights for LiteRT too (an extra).")
@option("--data", "A labelled table to measure on; else the test split.")
@click.option("--measure/--no-measure", default=True, help="Measure what --freeze, --bfloat16 and --lite cost.")
def export(run, base, **options):
    """Write the next version of a SavedModel into folder BASE from the run in folder RUN, and verify it."""
    kf = _load()

    version = kf.export(run, base, **options)
    console.print(f"Exported to [bold]{version}[/]")
    for line in kf.recipes.losses_of(version):
        console.print(line, markup=False)
    sys.exit(0 if _print_verification(kf.verify(version)) else 1)


@app.command()
@click.argument("run", type=FOLDER)
@click.argument("gallery", type=click.Path(exists=True, path_type=Path))
@click.argument("base", type=FOLDER)
@option("--id", "Column that names the pictures of a table; else their paths do.")
@option("--k", "Pictures that a search gives.", 10, click.IntRange(min=1))
@image_dir_option
@outside_option
def index(run, gallery, base, id, k, image_dir, allow_outside):
    """Export the match in folder RUN into folder BASE with the pictures of GALLERY inside, to be searched.

    GALLERY is a folder of pictures, or a table with the run's picture column. Each time the next version is written.
    """
    kf = _load()

    places = {"image_dir": image_dir, "allow_outside": allow_outside}
    version, left_out = kf.index(run, gallery, base, id_column=id, k=k, **places)
    if left_out:
        more = ", …" if len(left_out) > 20 else ""
        _say(f"Not indexed, {len(left_out):,} that cannot be read: {', '.join(left_out[:20])}{more}")
    console.print(f"Exported to [bold]{version}[/]")
    sys.exit(0 if _print_verification(kf.verify(version)) else 1)


@app.command()
@click.argument("path", type=FOLDER)
def verify(path):
    """Check the served model, or the one version, in folder PATH with the loader that TensorFlow Serving uses."""
    import kerasfusion as kf

    sys.exit(0 if _print_verification(kf.verify(path)) else 1)


@app.command()
@click.argument("folder", type=FOLDER)
@option("--port", "Port to listen on.", 8501)
@option("--host", "Address to listen on; 0.0.0.0 opens it to the network.", "127.0.0.1")
@option("--threads", "Requests run at once; one per core if absent.", type=click.IntRange(min=1))
def serve(folder, port, host, threads):
    """Try the models in FOLDER over HTTP: a stand-in for TensorFlow Serving's REST API.

    Production runs TensorFlow Serving. FOLDER holds NAME/VERSION/, or is one model's.
    """
    import kerasfusion as kf

    kf.serving.serve(folder, host, port, threads, say=lambda line: print(line, flush=True))


@app.command("serving-files")
@click.argument("folder", type=FOLDER)
@flag("--overwrite", "Replace files that exist and differ.")
def serving_files(folder, overwrite):
    """Write TensorFlow Serving's own configuration for the models in FOLDER: models, batching, monitoring."""
    import kerasfusion as kf

    for path in kf.serving.write_serving_files(folder, overwrite):
        console.print(f"Written: {path}", markup=False)


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


def _recipe(settings):
    """The recipe, whose options are taken out of the settings; what is left is for `kf.data.load`."""
    import kerasfusion as kf

    own = {name: settings.pop(name) for name in RECIPE if name in settings}
    if own["epochs"] is None:
        own["epochs"] = 20 if own["seconds"] is None else 10_000
    return kf.training.Recipe(**own, seed=settings["seed"])


def _say(line):
    console.print(line, markup=False)


@contextlib.contextmanager
def _interruptible():
    try:
        yield
    except KeyboardInterrupt:
        _say("Interrupted. The same command with --resume goes on from here.")
        sys.exit(130)


def _train(data, model, out, recipe, **options):
    kf = _load()

    name, reason = (model, "given") if model else kf.recipes.default_model(data)
    rows = [("model", name, reason, "--model")]
    if recipe.augment:
        _, why = kf.data.augmentation_for(data.splits["train"], recipe.augment)
        rows.append(("augmentation", recipe.augment, why, "--augment"))
    _print_data(data, rows)
    try:
        run = kf.train(
            data,
            model=name,
            out=out,
            recipe=recipe,
            **options,
            say=_say,
        )
    except KeyboardInterrupt:
        console.print(f"Interrupted. The same command with --resume goes on; {_usable(out)}", markup=False)
        sys.exit(130)
    for report in run.metrics["tasks"].values():
        _print_scores(report)
    console.print(f"Run written to [bold]{run.path}[/]: report.html, metrics.json, model.keras, figures/")
    return run


def _record(results, rows, experiment, seed):
    _load().evaluation.record(results, rows, experiment, shlex.join(["kerasfusion", *sys.argv[1:]]), seed)


def _print_data(data, further=()):
    table = Table("what", "value", "why", "change with", title=f"Data: {data.source}")
    for row in (*data.settings, *further):
        table.add_row(*map(str, row))
    console.print(table)
    if data.skipped:
        console.print(f"Skipped {data.skipped}", markup=False)
    for note in data.notes:
        console.print(f"Note: {note}", markup=False)


def _usable(out):
    if (out / "model.keras").exists():
        return f"the best model so far can be used by evaluate, predict and export {out}."
    return "no epoch was done, so there is no model yet."


def _print_scores(report):
    console.print(f"\n[bold]{report['verdict']}[/]")
    if report.get("kind") == "match":
        console.print(_match_table(report))
        return
    if report.get("kind") == "caption":
        console.print(_caption_table(report))
        return
    first = next(iter(report["scores"].values()))
    kinds = list(next(iter(report["by_kind"].values()), {}))
    # Many classes do not fit a terminal's width; they are all in metrics.json.
    kinds = kinds if len(kinds) <= 6 else []
    table = Table("", f"{first['name']} [95 % interval]", *kinds)
    for name, score in report["scores"].items():
        by_kind = report["by_kind"].get(name, {})
        table.add_row(name, _figure(score, interval=True), *(_figure(by_kind[kind]) for kind in kinds))
    console.print(table)


def _match_table(report):
    table = Table("", "R@1", "R@5", "R@10", "median rank", "MRR", "queries", "searched")
    directions = {**report["directions"], **{f"chance, {name}": part for name, part in report["chance"].items()}}
    for name, part in directions.items():
        recall = (f"{value:.1%}" for value in part["recall"].values())
        counts = (f"{part[key]:,}" for key in ("queries", "gallery"))
        table.add_row(name, *recall, f"{part['median_rank']:g}", f"{part['mrr']:.3f}", *counts)
    return table


def _caption_table(report):
    table = Table("", "CIDEr [95 % interval]", "BLEU-1", "BLEU-4", "ROUGE-L", "novel", "distinct words", "length")
    for name, found in report["scores"].items():
        cider, novel = found["cider"], "" if found["novel"] is None else f"{found['novel']:.1%}"
        ends = f"{cider['value']:.3f} [{cider['low']:.3f}, {cider['high']:.3f}]"
        bleu = (f"{found['bleu'][order]:.1f}" for order in (0, 3))
        rest = (f"{found['rouge_l']:.3f}", novel, f"{found['words']:,}", f"{found['length']:.1f}")
        table.add_row(name, ends, *bleu, *rest)
    return table


def _figure(score, interval=False):
    def one(value):
        return f"{value:.4g}" if score["name"] == "mae" else f"{value:.1%}"

    ends = f" [{one(score['low'])}, {one(score['high'])}]" if interval else ""
    return one(score["value"]) + ends


def _print_verification(report):
    table = Table("", "check", "found", title=f"{report.path}: {'verified' if report.ok else 'FAILED'}")
    marks = {True: "[green]ok[/]", False: "[red]FAIL[/]", None: "info"}
    for row in report.rows:
        table.add_row(marks[row.ok], row.name, row.detail)
    console.print(table)
    return report.ok


def main():
    """Run the command line; what a user can mend is said in one message, without a traceback."""
    warnings.showwarning = lambda message, *_: print(f"Note: {message}", file=sys.stderr)
    try:
        app(prog_name="kerasfusion")
    except (ValueError, ImportError, FileNotFoundError, FileExistsError) as error:
        if os.environ.get("KERASFUSION_TRACEBACK"):
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]Error:[/] {escape(str(error))}")
        sys.exit(2)


if __name__ == "__main__":
    main()
