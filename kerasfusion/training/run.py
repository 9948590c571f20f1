"""A finished training: its folder, its model, what it was made from."""

import base64
import dataclasses
import shutil
import warnings
from pathlib import Path

import keras
import pandas as pd

from kerasfusion.files import temporary_folder, write_json
from kerasfusion.presets import EXAMPLE, FILES, write_preset
from kerasfusion.schema import Schema
from kerasfusion.training.run_files import read_config, read_model, read_object, read_schema

# Files of a preset that are not copied from the run.
_WRITTEN = ("model.keras", "config.json", EXAMPLE)
# Entries of `config.json` that mean something on the machine of the training alone.
_LOCAL = ("load", "data", "machine", "init_from", "distillation")
_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "audio/wav"}


@dataclasses.dataclass(eq=False)
class Run:
    """What `kf.train` returns and `kf.load` reads back.

    Args:
        path: The run's folder: `schema.json config.json model.keras history.csv metrics.json report.html …`.
        schema: Features, tasks, vocabularies, classes.
        model: The trained plain model.
        config: How it was trained: model name, settings, training config, source.
        metrics: The figures of `metrics.json`; empty for a run that was interrupted.
    """

    path: Path
    schema: Schema
    model: keras.Model
    config: dict
    metrics: dict

    def predict(self, rows, image_dir=None, allow_external_paths=False):
        """Predictions for a table of raw rows.

        Args:
            rows: A DataFrame, a list of dicts or a table file, with the run's feature columns.
            image_dir: Folder that relative image paths start from.
            allow_external_paths: Allow image paths that leave that folder.

        Returns:
            pandas.DataFrame: per task `<task>` and, with classes, its `<task>_probability`, one row per row given,
            plus `<image>_ok`, False where an image was missing or could not be read.
        """
        from kerasfusion.evaluation.predict import predict_rows

        return predict_rows(self.model, self.schema, rows, image_dir, allow_external_paths)

    def features(self, rows, image_dir=None, allow_external_paths=False):
        """Vectors of a table of raw rows: what the model's branches and its fusion make of them.

        Args:
            rows: A DataFrame, a list of dicts or a table file, with the run's feature columns.
            image_dir: Folder that relative image paths start from.
            allow_external_paths: Allow image paths that leave that folder.

        Returns:
            dict feature -> float32 `(n, d)`, one row per row given, NaN where it lacks the feature; and `"fusion"`,
            where the model joins several.
        """
        from kerasfusion.data.row_loading import load_rows
        from kerasfusion.evaluation.predict import restrict_schema
        from kerasfusion.evaluation.vectors import predict_vectors

        rows, schema = (
            pd.DataFrame(rows) if isinstance(rows, list) else rows,
            restrict_schema(self.model, self.schema),
        )
        examples, _ = load_rows(
            rows, schema, image_dir=image_dir, allow_external_paths=allow_external_paths, with_labels=False
        )
        return predict_vectors(self.model, examples)

    def save_preset(self, folder, name=None, example=None, **about):
        """Write weights, schema and figures as a preset, which `kf.from_preset` loads.

        It holds the vocabulary and class names, and a few raw test rows (`reference_inputs.npz`, which exports are
        checked with), but no other row of the table and no path of this machine.

        Args:
            folder: Folder to write, new. It is written under a temporary name and renamed.
            name: Name of the preset. Defaults to `None`: that of the folder.
            example: Raw row for `kf.data.example`: dict column -> text, number, encoded image as bytes, or a list of
                these. Defaults to `None`: no example.
            **about: What else `preset.json` says, such as `summary`, `data`, `license`, `metrics` and `command` (see
                `kerasfusion.presets.read_preset`).

        Returns:
            pathlib.Path: the folder.

        Raises:
            FileExistsError: `folder` exists.

        Example:

        ```python
        kf.load("runs/pets").save_preset("presets/pets", summary="Species of a pet.", license="Apache-2.0")
        ```
        """
        folder = Path(folder)
        if folder.exists():
            raise FileExistsError(f"{folder} exists. Choose another folder for the preset, or remove it first.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        description = {
            "name": name or folder.name,
            "model": self.config.get("model"),
            "tasks": {task.name: task.type for task in self.schema.tasks},
            "inputs": {
                column: feature.kind
                for feature in self.schema.features
                for column in feature.columns
                if feature.name in self.model.input
            },
            "kerasfusion": self.config.get("kerasfusion"),
            "keras": self.config.get("keras"),
            **about,
        }
        with temporary_folder(folder.parent) as temporary:
            for file in FILES:
                if file not in _WRITTEN and (self.path / file).is_file():
                    shutil.copyfile(self.path / file, temporary / file)
            # Without the optimizer's state, which is twice the size of the weights.
            keras.saving.load_model(self.path / "model.keras", compile=False).save(temporary / "model.keras")
            config = {key: value for key, value in self.config.items() if key not in _LOCAL}
            write_json(temporary / "config.json", config)
            if example is not None:
                write_json(temporary / EXAMPLE, {column: _cell(value) for column, value in example.items()})
            write_preset(temporary, description)
            temporary.rename(folder)
        return folder


def _cell(value):
    """A cell of a table as JSON has it: bytes as a `data:` URI."""
    if isinstance(value, list):
        return [_cell(item) for item in value]
    if not isinstance(value, bytes):
        return value
    kind = next((kind for magic, kind in _MAGIC.items() if value.startswith(magic)), "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(value).decode()}"


def load(path: str | Path) -> Run:
    """Read a run back.

    Of a run that was interrupted this gives the best weights so far, with a warning.

    Args:
        path: The run's folder.

    Returns:
        Run

    Raises:
        FileNotFoundError: the folder is no run, or holds no model yet; the message says what it lacks.
        ValueError: a file of the run is damaged, or the model and the schema are not of the same run.

    Example:

    ```python
    run = kf.load("runs/pets")
    run.predict([{"photo": "a.jpg", "description": "a small brown dog"}])
    ```
    """
    path = Path(path)
    lacking = [n for n in ("schema.json", "config.json", "model.keras") if not (path / n).exists()]
    if lacking:
        begun = (path / "config.json").exists()
        raise FileNotFoundError(
            f"{path} holds no trained model: it lacks {', '.join(lacking)}. "
            + ("Resume its training." if begun else "`kerasfusion train ... --output-dir` makes one.")
        )
    metrics = {}
    if (path / "metrics.json").exists():
        metrics = read_object(path / "metrics.json")
    else:
        warnings.warn(
            f"{path} was interrupted: this is its best model so far, never scored on the test split. "
            "The same training with --resume goes on.",
            stacklevel=2,
        )
    config, schema = read_config(path / "config.json"), read_schema(path / "schema.json")
    return Run(path, schema, read_model(path / "model.keras", schema), config, metrics)
