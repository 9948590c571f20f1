"""Boxes without a detector."""

import numpy as np


def grid_boxes(rows, columns):
    """Propose the cells of a regular grid as boxes, for a table that has none.

    Args:
        rows: int, number of cells from top to bottom.
        columns: int, number of cells from left to right.

    Returns:
        float32 `(rows * columns, 4)`: left, top, right and bottom as fractions of the image, row by row.

    Raises:
        ValueError: A number that is not positive.

    Example:

    ```python
    frame["boxes"] = [grid_boxes(3, 3).tolist()] * len(frame)
    data = kf.data.load(frame, image="photo", boxes="boxes", label="species")
    ```
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"rows and columns must be positive. Received: rows={rows}, columns={columns}")
    top, left = np.meshgrid(np.arange(rows) / rows, np.arange(columns) / columns, indexing="ij")
    boxes = np.stack([left, top, left + 1 / columns, top + 1 / rows], axis=-1)
    return boxes.reshape(-1, 4).astype("float32")
