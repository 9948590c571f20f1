from kerasfusion.data import load_rows
from kerasfusion.evaluation import evaluate_models, write_evaluation_page
from kerasfusion.evaluation.predict import restrict_schema
from kerasfusion.training import from_preset
from kerasfusion.workflows.classical import load_classical


def evaluate(run, source, image_dir=None, allow_external_paths=False, page=None):
    """Score a finished run on another labelled table.

    Args:
        run: A `Run`, its folder, or a preset (`kf.from_preset`).
        source: A table with the run's feature and label columns. An image that cannot be read counts as missing.
        image_dir: Folder that relative image paths start from.
        allow_external_paths: Allow image paths that leave that folder.
        page: File to write a report into, as HTML; None writes none.

    Returns:
        tuple: dict task -> `TaskReport`, and the `SkippedRows` rows and images.

    Raises:
        DataError: A column is missing or a label has an unknown class.

    Example:

    ```python
    reports, skipped = kf.evaluate("runs/pets", "test.csv")
    print(reports["label"].scores)
    ```
    """
    run = from_preset(run)
    schema = restrict_schema(run.model, run.schema)
    examples, skipped = load_rows(source, schema, image_dir=image_dir, allow_external_paths=allow_external_paths)
    slice_by = run.config.get("slice_by")
    slice_by = slice_by if slice_by in examples.frame.columns else None
    models = {run.config["model"] or "model": run.model}
    found = evaluate_models(models, examples, slice_by=slice_by, classical=load_classical(run.path).predict)
    if page is not None:
        write_evaluation_page(page, run, found, examples, skipped)
    return found, skipped
