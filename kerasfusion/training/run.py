"""A finished training: its folder, its model, what it was made from."""

import dataclasses
import json
from pathlib import Path

import keras

from kerasfusion.data.schema import Schema


@dataclasses.dataclass(eq=False)
class Run:
    """What `kf.train` returns and `kf.load` reads back.

    Args:
        path: The run's folder: `schema.json config.json model.keras history.csv metrics.json figures/`.
        schema: Features, tasks, vocabularies, classes.
        model: The trained plain model.
        config: How it was trained: model name, settings, recipe, source.
        metrics: The figures of `metrics.json`.
    """

    path: Path
    schema: Schema
    model: keras.Model
    config: dict
    metrics: dict

    def predict(self, rows, image_dir=None):
        """Predictions for a table of raw rows.

        Args:
            rows: A DataFrame, a list of dicts or a table file, with the run's feature columns.
            image_dir: Folder that relative image paths start from.

        Returns:
            pandas.DataFrame: per task `<task>` and, with classes, its `<task>_probability`, one row per row given,
            plus `<image>_ok`, False where a picture was missing or could not be read.
        """
        from kerasfusion.evaluation.predict import predict_rows

        return predict_rows(self.model, self.schema, rows, image_dir)


def load(path):
    """Read a run back.

    Args:
        path: The run's folder.

    Returns:
        Run

    Raises:
        FileNotFoundError: the folder is no finished run; the message says what it lacks.

    Example:

    ```python
    run = kf.load("runs/pets")
    run.predict([{"photo": "a.jpg", "description": "a small brown dog"}])
    ```
    """
    path = Path(path)
    lacking = [n for n in ("schema.json", "config.json", "model.keras", "metrics.json") if not (path / n).exists()]
    if lacking:
        raise FileNotFoundError(
            f"{path} is not a finished run: it lacks {', '.join(lacking)}. `kerasfusion train ... --out` makes one."
        )
    return Run(
        path,
        Schema.load(path / "schema.json"),
        keras.saving.load_model(path / "model.keras"),
        json.loads((path / "config.json").read_text()),
        json.loads((path / "metrics.json").read_text()),
    )
