"""The data of a finished run, read again from where it came, and its baselines."""

from pathlib import Path

from kerasfusion.data import DataError, load
from kerasfusion.models import late_average
from kerasfusion.models.model_file import load_model


def load_arguments(data):
    """What `kf.data.load` was called with, for a run's `config.json`; None where that cannot be written down.

    Args:
        data: What `kf.data.load` returned.

    Returns:
        dict or None: None for a DataFrame, which has no name to read it by.
    """
    if not isinstance(data.arguments.get("source"), str | Path):
        return None
    return {name: str(value) if isinstance(value, Path) else value for name, value in data.arguments.items()}


def load_run_data(run):
    """Read a run's data again, into the same splits.

    Args:
        run: A `Run`.

    Returns:
        Data: equal to what the run was trained on, by its fingerprints.

    Raises:
        DataError: The data cannot be found or read, or is another than then.

    Example:

    ```python
    data = kf.workflows.load_run_data(kf.load("runs/pets"))
    len(data.splits["test"])
    ```
    """
    arguments = run.config.get("load")
    if arguments is None:
        raise DataError(f"{run.path} does not say where its data can be read again (it came as a DataFrame).")
    data = load(**arguments)
    check_data(run, data)
    return data


def check_data(run, data):
    """Refuse other `Data` than a run was trained on, by its fingerprints, with a `DataError`."""
    changed = [name for name, split in data.splits.items() if split.fingerprint() != run.config["data"].get(name)]
    if changed:
        raise DataError(
            f"{data.source} is not what {run.path} was trained on: the {' and '.join(changed)} split differs "
            "(rows, labels or images were changed, or paths lead elsewhere)."
        )


def load_baselines(run):
    """The models that a run was compared with, those of them that were trained.

    Args:
        run: A `Run`.

    Returns:
        dict name -> plain model: `"<kind> only"` for each kind of feature, then their `"late average"`.

    Example:

    ```python
    kf.workflows.load_baselines(kf.load("runs/pets"))  # {"text only": …, "image only": …, "late average": …}
    ```
    """
    paths = {kind: run.path / "baselines" / f"{kind}_only" / "model.keras" for kind in run.schema.kinds}
    members = {kind: load_model(path) for kind, path in paths.items() if path.exists()}
    models = {f"{kind} only": model for kind, model in members.items()}
    if len(members) > 1:
        models["late average"] = late_average(run.schema, members)
    return models
