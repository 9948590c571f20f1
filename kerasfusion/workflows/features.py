"""The vectors of a table's rows in a run's model, as a Parquet file."""

from pathlib import Path

import numpy as np

from kerasfusion.data.table import read_table
from kerasfusion.evaluation.vectors import FUSION
from kerasfusion.files import atomic_write
from kerasfusion.training import from_preset
from kerasfusion.workflows.predict import untaken

FILE = "features.parquet"


def features(run, rows, output_dir, image_dir=None, allow_external_paths=False):
    """Write the vectors of a table's rows into `features.parquet`: those of each branch and of the fusion.

    The file has a row for each row of the table: the table's columns whose cells are text, numbers or dates, then a
    list of float32 for each feature, such as `text_vector`, null where the row lacks it, and `fusion_vector`. A name
    that is taken gets `predicted_`.

    Args:
        run: A `Run`, its folder, or a preset (`kf.from_preset`).
        rows: A table (a file or a DataFrame) with the run's feature columns; labels are not needed.
        output_dir: Folder of the file, which is replaced.
        image_dir: Folder that relative image paths start from.
        allow_external_paths: Allow image paths that leave that folder.

    Returns:
        Path of the file.

    Raises:
        DataError: a column is missing.
        ImportError: without the extra `[parquet]`.
        ValueError: the model has no encoders of its own, such as an average of predictions.

    Example:

    ```python
    path = kf.workflows.features("runs/pets", "new.csv", "vectors")
    np.stack(pd.read_parquet(path)["fusion_vector"])  # (n, d)
    ```
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("Writing Parquet needs pyarrow: pip install 'kerasfusion[parquet]'.") from error
    run = from_preset(run)
    frame = read_table(rows)
    vectors = run.features(frame, image_dir, allow_external_paths)
    as_written = read_table(rows, columns_hint=list(frame.columns))
    columns = {
        name: pa.array(as_written[name], from_pandas=True) for name in frame.columns if _is_plain(as_written[name])
    }
    titles = {feature.name: feature.title for feature in run.schema.features} | {FUSION: FUSION}
    names = untaken([f"{titles[name]}_vector" for name in vectors], frame.columns)
    columns |= {name: _lists(pa, values) for name, values in zip(names, vectors.values(), strict=True)}
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    with atomic_write(output_dir / FILE) as temporary:
        parquet.write_table(pa.table(columns), temporary)
    return output_dir / FILE


def _is_plain(column):
    """Whether a column is of one kind of scalar, missing cells aside: bytes and arrays of images are left out."""
    kinds = {type(cell) for cell in column.dropna()}
    return column.dtype != object or kinds <= {str} or kinds <= {bool} or kinds <= {int, float}


def _lists(pa, values):
    missing = np.isnan(values).all(axis=1)
    flat = pa.array(values.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=pa.array(missing))
