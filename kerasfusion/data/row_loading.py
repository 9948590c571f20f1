"""Further tables for a schema that was learned before."""

from kerasfusion.data.clean import clean_features, clean_rows
from kerasfusion.data.column_roles import ColumnRoles
from kerasfusion.data.errors import DataError, listed, nearest
from kerasfusion.data.examples import encode_rows
from kerasfusion.data.features import FEATURES
from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.data.table import read_table
from kerasfusion.feature_kinds import KINDS
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
    inputs = {kind: tuple(c for f in schema.of_kind(kind) for c in f.columns) for kind in KINDS}
    pairs = [task for task in schema.tasks if task.type in ROW_TYPES]
    read = [task for task in schema.tasks if task not in pairs] if with_labels else []
    # A caption and its embedding are of one column.
    labels = {task.column: task.type for task in sorted(read, key=lambda task: TYPES[task.type].from_column)}
    slice_by = columns.slice_by if columns is not None and columns.slice_by in frame.columns else None
    needed = [*(column for own in inputs.values() for column in own), *labels]
    lacking = [column for column in needed if column not in frame.columns]
    if lacking:
        raise DataError(
            f"{frame.attrs.get('source', 'table')}: the model needs the column(s) {', '.join(map(repr, lacking))}; "
            f"the table has {listed(frame.columns)[1:-1]}. Rename them"
            + "".join(f" ({near[0]!r} to {name!r}?)" for name in lacking if (near := nearest(name, frame.columns)))
            + "."
        )
    roles = ColumnRoles({kind: own for kind, own in inputs.items() if own}, labels, slice_by=slice_by)
    frame, skipped = clean_rows(frame, roles) if with_labels else (clean_features(frame, roles), SkippedRows())
    places, banks = {}, {}
    options = {"image_dir": image_dir, "allow_external_paths": allow_external_paths}
    for feature in schema.stored:
        found = FEATURES[feature.kind].read_again(frame, feature, options)
        places[feature.name], banks[feature.name] = found[:2]
        skipped = skipped + found[2]
    stored = {name: (places[name], banks[name]) for name in places}
    for feature in schema.features:
        skipped = skipped + FEATURES[feature.kind].left_out(frame, feature, stored)
    return encode_rows(frame, schema, places, banks, with_labels), skipped
