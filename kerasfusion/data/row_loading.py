"""Further tables for a schema that was learned before."""

from kerasfusion.data.clean import SkippedRows, clean_features, clean_rows
from kerasfusion.data.column_roles import ColumnRoles
from kerasfusion.data.errors import DataError, listed, nearest
from kerasfusion.data.examples import encode_rows
from kerasfusion.data.image_columns import read_images_of
from kerasfusion.data.table import read_table
from kerasfusion.problem_types import ROW_TYPES, TYPES


def load_rows(source, schema, *, image_dir=None, allow_external_paths=False, with_labels=True, columns=None):
    """Read another table for a schema that was learned before: to evaluate or to predict.

    Every row is kept: an image that cannot be read counts as missing, and is reported.

    Args:
        source: A table as for `load`, with the schema's columns.
        schema: The `Schema` of a run.
        image_dir: As for `load`.
        allow_external_paths: As for `load`.
        with_labels: The table has the label columns; rows without a label are dropped and counted.
        columns: The `ColumnRoles` of the data the schema came from, to keep its `slice_by` column; optional.

    Returns:
        tuple: `(Examples, SkippedRows)`.

    Raises:
        DataError: A column is missing, or a label has a class the schema does not know.
    """
    frame = read_table(source)
    kinds = {kind: [c for f in schema.of_kind(kind) for c in f.columns] for kind in ("image", "text", "numeric")}
    pairs = [task for task in schema.tasks if task.type in ROW_TYPES]
    read = [task for task in schema.tasks if task not in pairs] if with_labels else []
    # A caption and its embedding are of one column.
    labels = {task.column: task.type for task in sorted(read, key=lambda task: TYPES[task.type].from_column)}
    slice_by = columns.slice_by if columns is not None and columns.slice_by in frame.columns else None
    needed = [*kinds["image"], *kinds["text"], *kinds["numeric"], *labels]
    lacking = [column for column in needed if column not in frame.columns]
    if lacking:
        raise DataError(
            f"{frame.attrs.get('source', 'table')}: the model needs the column(s) {', '.join(map(repr, lacking))}; "
            f"the table has {listed(frame.columns)[1:-1]}. Rename them"
            + "".join(f" ({near[0]!r} to {name!r}?)" for name in lacking if (near := nearest(name, frame.columns)))
            + "."
        )
    roles = ColumnRoles(
        tuple(kinds["image"]), tuple(kinds["text"]), tuple(kinds["numeric"]), labels, slice_by=slice_by
    )
    frame, skipped = clean_rows(frame, roles) if with_labels else (clean_features(frame, roles), SkippedRows())
    images, banks = {}, {}
    for feature in schema.of_kind("image"):
        images[feature.name], banks[feature.name], missing = read_images_of(
            frame, feature, image_dir, allow_external_paths
        )
        skipped = skipped + missing
    return encode_rows(frame, schema, images, banks, with_labels), skipped
