"""How much each row of a table counts in training."""

import numpy as np

from kerasfusion.data.errors import DataError, place, short, source_of
from kerasfusion.data.labels import read_numbers


def read_sample_weights(frame, column):
    """The column as float32 weights.

    Args:
        frame: A frame from `clean_rows`.
        column: A column of numbers from 0.

    Returns:
        float32 `(number of rows,)`.

    Raises:
        DataError: A cell is empty, no finite number or negative, or all are 0.

    Example:

    ```python
    read_sample_weights(pd.DataFrame({"trust": [1, 0.5, 0]}), "trust")
    # array([1. , 0.5, 0. ], dtype=float32)
    ```
    """
    values = read_numbers(frame, column)
    for wrong, what in ((np.isnan(values), "empty"), (values < 0, "negative")):
        if wrong.any():
            row = np.flatnonzero(wrong)[0]
            cell = "" if what == "empty" else f" ({short(frame[column].iloc[row])})"
            raise DataError(
                f"{place(frame, row, column)}: the weight is {what}{cell}, in {wrong.sum():,} row(s). A weight is a "
                "number from 0; give rows that count like any other the weight 1."
            )
    if not values.any():
        raise DataError(f"{source_of(frame)}: every weight in column {column!r} is 0: nothing to learn.")
    return values.astype("float32")
