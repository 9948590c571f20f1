"""The data of a finished run, read again from where it came."""

from pathlib import Path

from kerasfusion.data import DataError, load


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


def reload_data(run):
    """Read a run's data again, into the same splits.

    Args:
        run: A `Run`.

    Returns:
        Data: equal to what the run was trained on, by its fingerprints.

    Raises:
        DataError: The data cannot be found or read, or is another than then.

    Example:

    ```python
    data = kf.recipes.reload_data(kf.load("runs/pets"))
    len(data.splits["test"])
    ```
    """
    arguments = run.config.get("load")
    if arguments is None:
        raise DataError(f"{run.path} does not say where its data can be read again (it came as a DataFrame).")
    data = load(**arguments)
    changed = [name for name, split in data.splits.items() if split.fingerprint() != run.config["data"].get(name)]
    if changed:
        raise DataError(
            f"{arguments['source']} is not what {run.path} was trained on: the {' and '.join(changed)} split differs "
            "(rows, labels or pictures were changed, or paths lead elsewhere)."
        )
    return data
