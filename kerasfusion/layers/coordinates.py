"""Coordinate channels, since convolutions cannot infer absolute positions."""

import numpy as np
from keras import ops


def append_coordinates(grid):
    """Append each cell's row and column, both running from -1 to 1 (CoordConv, arXiv 1807.03247).

    Args:
        grid: float `(B, h, w, c)`, `h` and `w` static.

    Returns:
        float `(B, h, w, c + 2)`.

    Example:

    ```python
    append_coordinates(keras.ops.zeros((2, 5, 5, 16)))  # (2, 5, 5, 18)
    ```
    """
    _, height, width, _ = grid.shape
    rows, columns = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    places = ops.convert_to_tensor(np.stack([rows, columns], axis=-1)[None], dtype=grid.dtype)
    places = ops.broadcast_to(places, (ops.shape(grid)[0], height, width, 2))
    return ops.concatenate([grid, places], axis=-1)
