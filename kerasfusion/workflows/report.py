"""A run's figures and page: written after its scores, which they cannot cost, and again at any time."""

import contextlib
import dataclasses
import json
import warnings

from kerasfusion.data import DataError
from kerasfusion.evaluation import evaluate_models, write_run_report
from kerasfusion.evaluation.html_report.parts import DETAILS_FILE, read_history
from kerasfusion.evaluation.html_report.write import FILE as PAGE
from kerasfusion.evaluation.html_report.write import provenance, save_details
from kerasfusion.evaluation.run_figures import run_figures
from kerasfusion.explain import NoFeatureMapError
from kerasfusion.explain.tasks import TASKS
from kerasfusion.files import folder_lock
from kerasfusion.models.model_file import load_model
from kerasfusion.training import Run, load
from kerasfusion.workflows.classical import load_classical
from kerasfusion.workflows.reload import check_data, load_baselines, load_run_data


def rebuild_report(run, data=None):
    """Draw a finished run's figures and write its page again.

    The test split is scored again for the figures; `metrics.json` stays as it is.

    Args:
        run: A `Run` of `kf.train`, or its folder.
        data: The `Data` it was trained on; None reads it again. A run that was trained on a DataFrame needs it for
            its figures: without it, only the page is written, from `details.json`.

    Returns:
        list of str: What could not be written and why; empty where all was. A warning says the same.

    Raises:
        DataError: `data` is not what the run was trained on.
        FileNotFoundError: The folder is no run, or its data is gone and it has no `details.json`.
        FolderInUseError: Another process trains into the folder.
        ValueError: The run is not finished, or not one of `kf.train`.

    Example:

    ```python
    kf.workflows.rebuild_report("runs/pets")
    ```
    """
    run = run if isinstance(run, Run) else load(run)
    if "tasks" not in run.metrics:
        raise ValueError(f"{run.path} has no report: it is not finished, or not a run of `kerasfusion train`.")
    if data is not None:
        check_data(run, data)
    with folder_lock(run.path):
        if data is None:
            try:
                data = load_run_data(run)
            except (DataError, OSError, ImportError) as error:
                write_run_report(run.path)
                return _warn(run.path, [f"figures ({error})"])
        return draw_report(run, data)


def draw_report(run, data):
    """Score a finished run on its test split and write its report, as `write_report` does."""
    without = run.path / "baselines" / "without_teacher" / "model.keras"
    models = {run.config["model"]: run.model}
    if without.exists():
        models["without teacher"] = load_model(without)
    models |= load_baselines(run)
    test, known = data.splits["test"], data.splits["train"]
    reports = evaluate_models(models, test, known, run.config["slice_by"], load_classical(run.path).predict)
    data = dataclasses.replace(data, notes=run.metrics["notes"])
    return write_report(run.path, run.model, reports, data, _made(run.path))


def write_report(folder, model, reports, data, made=None):
    """Write a run's `details.json`, figures and page. What fails is named in a warning and costs only itself.

    Args:
        folder: The run's folder, with everything else in it.
        model: The run's model.
        reports: dict task -> `TaskReport` on the test split.
        data: The `Data` of the run.
        made: As for `save_details`.

    Returns:
        list of str: What could not be written and why.
    """
    failed, looked_at = [], {}
    with _step("what the model looked at", failed):
        looked_at = _looked_at(model, reports, data.splits["test"])
    with _step(DETAILS_FILE, failed):
        save_details(folder, reports, data, looked_at, made)
    with _step("figures", failed):
        (folder / "figures").mkdir(exist_ok=True)
        for name, draw in run_figures(read_history(folder / "history.csv"), reports, data.splits["test"], looked_at):
            with _step(f"figures/{name}", failed):
                draw(path=folder / "figures" / name)
    # Last: a page stands for a report that is complete.
    with _step(PAGE, failed):
        write_run_report(folder)
    return _warn(folder, failed)


@contextlib.contextmanager
def _step(name, failed):
    try:
        yield
    except Exception as error:
        failed.append(f"{name} ({type(error).__name__}: {error})")


def _warn(folder, failed):
    if failed:
        warnings.warn(
            f"Not written: {'; '.join(failed)}. The scores are in {folder}/metrics.json. "
            f"`kerasfusion report {folder}` makes the report again.",
            stacklevel=3,
        )
    return failed


def _made(folder):
    """When, how and with what a run was made, where its details say so."""
    try:
        details = json.loads((folder / DETAILS_FILE).read_text(encoding="utf-8"))
        return {key: details[key] for key in provenance()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _looked_at(model, found, test):
    """Task -> rows with what the model looked at, or the reason why there are none; empty without images."""
    shown = {}
    for name, task_report in found.items() if test.banks else ():
        explain = TASKS[task_report.task.type]
        if explain is None:
            continue
        try:
            shown[name] = explain(model, task_report, test)
        except NoFeatureMapError as reason:
            shown[name] = str(reason)
    return shown
