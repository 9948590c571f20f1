"""The command line. It holds no logic: every command reads its arguments, calls the package and prints."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

# Only typer and rich are loaded here: `--help` must answer at once. TensorFlow comes with the command that needs it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    help="Train, compare and serve Keras models that join text and images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, soft_wrap=True)

ModelOption = Annotated[
    str | None, typer.Option(help="A name from `kerasfusion list`; chosen by the data if absent.")
]
OutOption = Annotated[Path, typer.Option(help="Folder of the run.")]
EpochsOption = Annotated[int, typer.Option(min=1, help="Most passes over the training rows.")]
SeedOption = Annotated[int, typer.Option(help="Seed of splits, weights and order.")]
ImageDirOption = Annotated[Path | None, typer.Option(help="Folder that relative image paths start from.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the run in that folder.")]


@app.command("list")
def list_command(pattern: Annotated[str, typer.Argument(help='A shell pattern, such as "*film*".')] = "*"):
    """List the models of the zoo."""
    import kerasfusion as kf

    names = kf.list_models(pattern)
    if not names:
        raise typer.BadParameter(f"no model matches {pattern!r}; `kerasfusion list` shows all.")
    table = Table("model", "what it is", "needs", "from")
    for name in names:
        entry = kf.zoo.get_entry(name)
        table.add_row(name, entry.summary, ", ".join(entry.inputs), entry.source)
    console.print(table)


@app.command()
def train(
    source: Annotated[str, typer.Argument(help="CSV, TSV, JSONL, Parquet, `shapes`, or `tfds:<name>`.")],
    image: Annotated[str | None, typer.Option(help="Picture column(s), divided by commas.")] = None,
    text: Annotated[str | None, typer.Option(help="Text column(s), divided by commas.")] = None,
    numbers: Annotated[str | None, typer.Option(help="Columns of plain numbers, divided by commas.")] = None,
    label: Annotated[str | None, typer.Option(help="Column(s) to predict, divided by commas.")] = None,
    label_kind: Annotated[str | None, typer.Option(help="binary, classes, tags or number.")] = None,
    split: Annotated[str | None, typer.Option(help="Column that says train, validation or test.")] = None,
    group: Annotated[str | None, typer.Option(help="Rows of one group stay in one split.")] = None,
    type: Annotated[str | None, typer.Option(help="Column by which scores are broken down.")] = None,
    model: ModelOption = None,
    out: OutOption = Path("runs/run"),
    image_size: Annotated[int | None, typer.Option(help="Side of the pictures in pixels.")] = None,
    text_length: Annotated[int | None, typer.Option(help="Words kept of a text.")] = None,
    max_words: Annotated[int, typer.Option(help="Size limit of the vocabulary.")] = 10_000,
    image_dir: ImageDirOption = None,
    allow_outside: Annotated[bool, typer.Option(help="Allow image paths that leave the folder.")] = False,
    epochs: EpochsOption = 20,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per batch.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without a better loss.")] = 5,
    class_weight: Annotated[str | None, typer.Option(help="`balanced` weighs every class alike.")] = None,
    seed: SeedOption = 0,
    baselines: Annotated[bool, typer.Option(help="Train the single-modality baselines too.")] = True,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs (an extra).")] = False,
    overwrite: OverwriteOption = False,
):
    """Train a model, and what it has to beat, on a table of pictures, sentences and labels."""
    kf = _load()

    data = kf.data.load(
        source,
        image=_listed(image),
        text=_listed(text),
        numbers=_listed(numbers),
        label=_listed(label),
        label_kind=label_kind,
        split=split,
        group=group,
        type=type,
        image_size=image_size,
        text_length=text_length,
        max_words=max_words,
        image_dir=image_dir,
        allow_outside=allow_outside,
        seed=seed,
    )
    recipe = kf.training.Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        class_weight=class_weight,
        seed=seed,
    )
    _train(data, model, out, recipe, baselines=baselines, overwrite=overwrite, tensorboard=tensorboard)


@app.command()
def demo(
    out: OutOption = Path("runs/demo"),
    export_to: Annotated[Path, typer.Option(help="Where the SavedModel goes.")] = Path("runs/demo/saved_model"),
    quick: Annotated[bool, typer.Option("--quick", help="A small world and few epochs: seconds, to try it.")] = False,
    results: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file.")] = None,
    seed: SeedOption = 0,
):
    """End to end on the shapes world: make the data, train, compare, export, verify, ask."""
    kf = _load()

    data = kf.data.load("shapes:quick" if quick else "shapes", seed=seed)
    recipe = kf.recipes.demo_recipe(quick, seed)
    run = _train(data, None, out, recipe, overwrite=True)
    if results is not None:
        command = f"kerasfusion demo --seed {seed} --results {results}"
        kf.evaluation.record(results, kf.evaluation.score_rows(run.metrics), "demo", command, seed)
    version = kf.export(out, export_to)
    console.print(f"\nExported to [bold]{version}[/]")
    ok = _print_verification(kf.verify(version))
    for line in kf.recipes.ask_export(version, data):
        console.print(line)
    raise typer.Exit(0 if ok else 1)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    source: Annotated[str, typer.Argument(help="A labelled table.")],
    image_dir: ImageDirOption = None,
):
    """Score a run on another labelled table."""
    kf = _load()

    reports, skipped = kf.evaluate(run, source, image_dir=image_dir)
    if skipped:
        console.print(f"Not used, or taken as missing: {skipped}", markup=False)
    for report in reports.values():
        _print_scores(report.to_dict())


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    table: Annotated[Path | None, typer.Argument(help="A table to predict, row by row.")] = None,
    image: Annotated[Path | None, typer.Option(help="One picture.")] = None,
    text: Annotated[str | None, typer.Option(help="One sentence.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table with predictions here, as CSV.")] = None,
    image_dir: ImageDirOption = None,
):
    """Predict one picture and sentence, or a whole table."""
    kf = _load()

    loaded = kf.load(run)
    if table is None:
        console.print(kf.recipes.predict_one(loaded, image, text).to_string(index=False), markup=False)
        return
    predicted = kf.recipes.predict_table(loaded, table, image_dir)
    if out is None:
        console.print(predicted.to_csv(index=False), markup=False, end="")
        return
    predicted.to_csv(out, index=False)
    console.print(f"{len(predicted):,} rows written to {out}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    base: Annotated[Path, typer.Argument(help="Folder of the served model; the next version is written into it.")],
):
    """Write the next version of a SavedModel for TensorFlow Serving, and verify it."""
    kf = _load()

    version = kf.export(run, base)
    console.print(f"Exported to [bold]{version}[/]")
    raise typer.Exit(0 if _print_verification(kf.verify(version)) else 1)


@app.command()
def verify(path: Annotated[Path, typer.Argument(help="Folder of a served model or of one version.")]):
    """Check a SavedModel with the loader that TensorFlow Serving uses."""
    import kerasfusion as kf

    raise typer.Exit(0 if _print_verification(kf.verify(path)) else 1)


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


def _listed(value):
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _train(data, model, out, recipe, **options):
    kf = _load()

    name, reason = (model, "given") if model else kf.recipes.default_model(data)
    table = Table("what", "value", "why", "change with", title=f"Data: {data.source}")
    for row in [*data.settings, ("model", name, reason, "--model")]:
        table.add_row(*map(str, row))
    console.print(table)
    if data.skipped:
        console.print(f"Skipped {data.skipped}", markup=False)
    for note in data.notes:
        console.print(f"Note: {note}", markup=False)
    run = kf.train(
        data,
        model=name,
        out=out,
        recipe=recipe,
        **options,
        say=lambda line: console.print(line, markup=False),
    )
    for report in run.metrics["tasks"].values():
        _print_scores(report)
    console.print(f"Run written to [bold]{run.path}[/]: metrics.json, history.csv, figures/, model.keras")
    return run


def _print_scores(report):
    console.print(f"\n[bold]{report['verdict']}[/]")
    first = next(iter(report["scores"].values()))
    kinds = list(next(iter(report["by_kind"].values()), {}))
    # Many classes do not fit a terminal's width; they are all in metrics.json.
    kinds = kinds if len(kinds) <= 6 else []
    table = Table("", f"{first['name']} [95 % interval]", *kinds)
    for name, score in report["scores"].items():
        by_kind = report["by_kind"].get(name, {})
        table.add_row(name, _figure(score, interval=True), *(_figure(by_kind[kind]) for kind in kinds))
    console.print(table)


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
    try:
        app()
    except (ValueError, ImportError, FileNotFoundError, FileExistsError) as error:
        if os.environ.get("KERASFUSION_TRACEBACK"):
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]Error:[/] {error}", markup=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
