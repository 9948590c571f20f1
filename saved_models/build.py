"""Train the presets, export them for TensorFlow Serving, and check what is there.

    python saved_models/build.py shapes_vqa --data-dir DATA   # train, then write preset, SavedModel and card
    python saved_models/build.py --cards                      # write cards and tables again
    python saved_models/build.py --check                      # verify all SavedModels and their sizes
    python saved_models/build.py --check --tensorflow 2.19 2.20

Training resumes in `--output-dir` where it was interrupted. A preset is written to `kerasfusion/zoo/presets/NAME/`
and exported from there as the next version of `saved_models/NAME/`.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
from cards import VERIFIED, write_card, write_table
from recipes import RECIPES

import kerasfusion as kf
from kerasfusion.evaluation.results import score_rows
from kerasfusion.files import atomic_write, temporary_folder
from kerasfusion.presets import FOLDER, find_preset, list_presets
from kerasfusion.serving import reference
from kerasfusion.serving.serving_config import write_serving_config

SAVED_MODELS = Path(__file__).parent
FEWEST_ROWS = 30
NAMES = {"f1_micro": "F1 (micro)", "exact_match": "images with all tags right"}
MAX_PRESET_BYTES, MAX_SAVED_MODEL_BYTES, MAX_TOTAL_BYTES = 4 * 10**6, 45 * 10**5, 60 * 10**6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"presets: {', '.join(RECIPES)}")
    parser.add_argument("--data-dir", default=os.environ.get("KERASFUSION_DATA"), help="folder with the data sets")
    parser.add_argument("--output-dir", type=Path, default=Path("runs/presets"), help="folder of the trainings")
    parser.add_argument("--cards", action="store_true", help="write cards and tables again")
    parser.add_argument("--check", action="store_true", help="verify all SavedModels and their sizes")
    parser.add_argument("--tensorflow", nargs="+", default=[], help="with --check: versions of TensorFlow besides")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(RECIPES))
    if unknown:
        parser.error(f"no preset is called {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    for name in arguments.names:
        build(name, arguments.output_dir / name, arguments.data_dir)
    if arguments.names or arguments.cards:
        for name in list_presets():
            write_card(name, RECIPES[name], SAVED_MODELS / name)
        write_table(SAVED_MODELS)
        write_serving_config(SAVED_MODELS, overwrite=True)
    if arguments.check and not check(arguments.tensorflow):
        sys.exit(1)


def build(name, folder, data_dir):
    """Train a preset, write it into the package and export it."""
    recipe = RECIPES[name]
    run = recipe.train(folder, data_dir)
    scores = recipe.scores(run) if recipe.scores else scores_of_run(run)
    inputs = reference.load_reference(run.path / "reference_inputs.npz")["serving_default"][0]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "preset", ignore_errors=True)
    run.save_preset(
        folder / "preset",
        name,
        example_row(run.schema, inputs),
        summary=recipe.summary,
        limits=recipe.limits,
        data=recipe.data,
        license="Apache-2.0",
        metrics=scores,
        command=f"python saved_models/build.py {name} --data-dir DATA",
    )
    FOLDER.mkdir(exist_ok=True)
    with temporary_folder(FOLDER) as temporary:
        shutil.copytree(folder / "preset", temporary / name)
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        (temporary / name).rename(FOLDER / name)
    run = kf.from_preset(name)
    export = recipe.export or (lambda run, model_dir, data_dir: kf.export(run, model_dir))
    version = export(run, SAVED_MODELS / name, data_dir)
    report = kf.verify(version)
    print(f"{version}\n{report}")
    if not report.ok:
        sys.exit(1)


def scores_of_run(run):
    """The model's own scores on the test split, of all rows and by slice."""
    rows = [row for row in score_rows(run.metrics) if row["model"] == run.metrics["model"]]
    kept = ("metric", "value", "low", "high", "n")
    # A score of a handful of rows says nothing.
    return [
        {key: NAMES.get(row[key], row[key]) for key in kept if row.get(key) is not None}
        for row in rows
        if (row.get("n") or 0) >= FEWEST_ROWS
    ]


def example_row(schema, inputs):
    """The first of raw inputs as a row of a table: dict column -> cell."""
    row = {}
    # A generator draws a feature of its schema and takes the others.
    given = [feature for feature in schema.features if {feature.name, f"{feature.name}_bytes"} & set(inputs)]
    for feature in given:
        if feature.kind in ("text", "categorical"):
            row[feature.columns[0]] = inputs[feature.name][0].decode()
        elif feature.kind == "numeric":
            row |= zip(feature.columns, map(float, inputs[feature.name][0]), strict=True)
        else:
            value = inputs[f"{feature.name}_bytes"][0]
            row[feature.columns[0]] = value if isinstance(value, bytes) else [part for part in value if part]
    return row


def check(tensorflow):
    """Verify the newest version of every model, and the sizes of presets and SavedModels.

    With releases of TensorFlow, what was found is written to `verified.csv`, which the table in `README.md` shows.
    """
    ok, total, rows = True, 0, []
    for name in list_presets():
        version = max(SAVED_MODELS.glob(f"{name}/[0-9]*"), key=lambda path: int(path.name))
        sizes = [size_of(find_preset(name)), size_of(version)]
        total += sum(size_of(path) for path in SAVED_MODELS.glob(f"{name}/[0-9]*")) + sizes[0]
        report = kf.verify(version, tensorflow=tensorflow, verbose=0) if tensorflow else kf.verify(version)
        for release, found in report.reports.items() if tensorflow else ():
            rows.append({"model": name, "version": version.name, "tensorflow": release, "verified": found.ok})
        fits = sizes[0] <= MAX_PRESET_BYTES and sizes[1] <= MAX_SAVED_MODEL_BYTES
        ok = ok and report.ok and fits
        sizes = ", ".join(f"{size / 1e6:.2f} MB" for size in sizes)
        print(
            f"{name:24} {'verified' if report.ok else 'FAILED'}   preset, SavedModel: {sizes}"
            + "   too large" * (not fits)
        )
        if not report.ok:
            print(report)
    if tensorflow:
        with atomic_write(SAVED_MODELS / VERIFIED) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        write_table(SAVED_MODELS)
    print(f"{total / 1e6:.1f} MB together, at most {MAX_TOTAL_BYTES / 1e6:.0f} MB")
    return ok and total <= MAX_TOTAL_BYTES


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
