from pathlib import Path

import numpy as np

from kerasfusion.bounds import check_bounds
from kerasfusion.data import load_rows
from kerasfusion.evaluation import figures, robustness_curves, write_robustness_page
from kerasfusion.files import atomic_write
from kerasfusion.training import Run, load
from kerasfusion.workflows.model_families import refuse_unlabelled
from kerasfusion.workflows.reload import load_baselines, load_run_data


def robustness(
    run, source=None, output_dir=None, image_dir=None, allow_external_paths=False, num_severities=6, seed=0
):
    """Score a finished run and its baselines on ever worse inputs: dropped, masked, noised, blurred.

    Nothing is chosen by what is found, so that the run's test split may be read for it again.

    Args:
        run: A `Run` or its folder.
        source: A labelled table; None reads the run's own data again and takes its test split.
        output_dir: Folder for `curves.csv`, `summary.csv`, `robustness.png` and `report.html`; None is `robustness`
            in the run's.
        image_dir: Folder that relative image paths of the table start from.
        allow_external_paths: Allow image paths that leave that folder.
        num_severities: Points of each curve, from clean inputs to wholly spoiled ones.
        seed: Seed of what is dropped, masked and added.

    Returns:
        Robustness: see `kf.evaluation.robustness_curves`.

    Raises:
        DataError: The run's data is gone or another than then, or the table lacks a column.
        ValueError: A run that learned a match.

    Example:

    ```python
    found = kf.robustness("runs/pets")
    print(found.summary)
    ```
    """
    run = run if isinstance(run, Run) else load(run)
    refuse_unlabelled("robustness", run.schema)
    check_bounds(num_severities=num_severities, seed=seed)
    if source is None:
        examples, rows = load_run_data(run).splits["test"], f"the test split of {run.config['source']}"
    else:
        examples, _ = load_rows(source, run.schema, image_dir=image_dir, allow_external_paths=allow_external_paths)
        rows = examples.frame.attrs.get("source", "table")
    model = run.config["model"]
    models = {model: run.model, **load_baselines(run)}
    found = robustness_curves(models, examples, np.linspace(0, 1, num_severities).round(6), seed=seed)
    output_dir = run.path / "robustness" if output_dir is None else Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    for name, frame in (("curves", found.curves), ("summary", found.summary)):
        with atomic_write(output_dir / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False)
    figures.robustness(found.curves, output_dir / "robustness.png")
    write_robustness_page(output_dir / "report.html", found, run.schema, model, rows)
    return found
