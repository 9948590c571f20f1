"""Save a model that was trained without `kf.train` as a run."""

import keras

from kerasfusion import __version__
from kerasfusion.files import atomic_write, write_json
from kerasfusion.serving import reference
from kerasfusion.training import Run
from kerasfusion.workflows.run_folder import open_run


def save_run(model, schema, output_dir, examples=None, metrics=None, config=None, overwrite=False):
    """Write a model that was trained without `kf.train` as a run's folder.

    `kf.load`, `kf.export`, `Run.predict` and `Run.save_preset` then take it as any other run.

    Args:
        model: The trained model: dict of named inputs in, dict of tasks out.
        schema: The `kf.Schema` it was made for.
        output_dir: Folder of the run.
        examples: Raw inputs of a few rows, which exports are checked with: dict of `serving_default` inputs
            (`Examples.raw_inputs`). Defaults to `None`: `kf.export` must then be given some.
        metrics: What goes into `metrics.json`. Defaults to `None`: nothing.
        config: dict, what goes into `config.json`, such as `model`, a name in the zoo, and `changes`, its settings.
            Defaults to `None`: the model has no name.
        overwrite: Whether to replace a run in that folder.

    Returns:
        Run

    Raises:
        FileExistsError: The folder holds a run, or something else.

    Example:

    ```python
    model.fit(dataset)
    run = kf.workflows.save_run(model, data.schema, "runs/mine", data.splits["test"].take([0, 1]).raw_inputs())
    kf.export(run, "saved_models/mine")
    ```
    """
    config = {"model": None, **(config or {}), "kerasfusion": __version__, "keras": keras.__version__}
    metrics = metrics or {}
    with open_run(output_dir, config, overwrite) as folder:
        schema.save(folder / "schema.json")
        if examples is not None:
            reference.save_reference(folder / "reference_inputs.npz", {"serving_default": (examples, {})})
        with atomic_write(folder / "model.keras") as temporary:
            model.save(temporary)
        write_json(folder / "metrics.json", metrics)
    return Run(folder, schema, model, config, metrics)
