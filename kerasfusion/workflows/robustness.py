from pathlib import Path

import numpy as np

import kerasfusion as kf
from kerasfusion.bounds import check_bounds
from kerasfusion.data import load_rows
from kerasfusion.evaluation import figures, write_robustness_page
from kerasfusion.evaluation import robustness as measure
from kerasfusion.files import atomic_write
from kerasfusion.workflows.model_families import refuse_unlabelled
from kerasfusion.workflows.reload import load_baselines, load_run_data


def robustness(run, source=None, out=None, image_dir=None, allow_outside=False, degrees=6, seed=0):
    """Score a finished run and its baselines on ever worse inputs: dropped, masked, noised, blurred.

    Nothing is chosen by what is found, so that the run's test split may be read for it again.

    Args:
        run: A `Run` or its folder.
        source: A labelled table; None reads the run's own data again and takes its test split.
        out: Folder for `curves.csv`, `summary.csv`, `robustness.png` and `report.html`; None is `robustness` in the
            run's.
        image_dir: Folder that relative image paths of the table start from.
        allow_outside: Allow image paths that leave that folder.
        degrees: Points of each curve, from clean inputs to wholly spoiled ones.
        seed: Seed of what is dropped, masked and added.

    Returns:
        Robustness: see `kf.evaluation.robustness`.

    Raises:
        DataError: The run's data is gone or another than then, or the table lacks a column.
        ValueError: A run that learned a match.

    Example:

    ```python
    found = kf.robustness("runs/pets")
    print(found.summary)
    ```
    """
    run = run if isinstance(run, kf.training.Run) else kf.load(run)
    refuse_unlabelled("robustness", run.schema)
    check_bounds(degrees=degrees, seed=seed)
    if source is None:
        examples, rows = load_run_data(run).splits["test"], f"the test split of {run.config['source']}"
    else:
        examples, _ = load_rows(source, run.schema, image_dir=image_dir, allow_outside=allow_outside)
        rows = examples.frame.attrs.get("source", "table")
    model = run.config["model"]
    models = {model: run.model, **load_baselines(run)}
    found = measure(models, examples, np.linspace(0, 1, degrees).round(6), seed=seed)
    out = run.path / "robustness" if out is None else Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in (("curves", found.curves), ("summary", found.summary)):
        with atomic_write(out / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False)
    figures.robustness(found.curves, out / "robustness.png")
    write_robustness_page(out / "report.html", found, run.schema, model, rows)
    return found
