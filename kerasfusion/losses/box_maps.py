"""Objects as points of a grid: heat maps to learn from boxes, and boxes to read from maps. In `keras.ops` alone."""

import math

from keras import ops

# Logit of a heat map at the start, of a probability of 0.1: nearly all cells are no center.
START = math.log(0.1 / 0.9)


def cell_centers(height, width):
    """Centers of the cells, as fractions: from the top float32 `(height, 1)`, from the left `(1, width)`."""
    rows = (ops.arange(height, dtype="float32") + 0.5) / height
    columns = (ops.arange(width, dtype="float32") + 0.5) / width
    return rows[:, None], columns[None, :]


def bumps(boxes, height, width):
    """A bump over each box's center: 1 in the cell that holds it, a Gaussian of a sixth of the box's sides around.

    Args:
        boxes: float32 `(B, N, 4)`: left, top, right, bottom as fractions of the image.
        height: int, rows of the grid.
        width: int, columns of the grid.

    Returns:
        float32 `(B, N, height, width)`; zeros for a box without an area.
    """
    size = boxes[..., 2:] - boxes[..., :2]
    there = ops.cast(ops.all(size > 0, axis=-1), "float32")
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2

    def along(axis, cells):
        center = ops.clip(ops.floor(middle[..., axis] * cells), 0.0, cells - 1.0)
        # At least a third of a cell, or a small box would leave nothing beside its center.
        spread = ops.maximum(size[..., axis] * cells / 6, 1 / 3)
        away = (ops.arange(cells, dtype="float32") - center[..., None]) / spread[..., None]
        return ops.exp(-0.5 * ops.square(away))

    both = along(1, height)[..., :, None] * along(0, width)[..., None, :]
    return both * there[..., None, None]


def edge_distances(boxes, height, width):
    """How far each box's edges are from every cell's center, in cells: float32 `(B, N, height, width, 4)`."""
    rows, columns = cell_centers(height, width)
    left, top, right, bottom = (boxes[..., i, None, None] for i in range(4))
    flat = ops.zeros_like(rows + columns)
    distances = [(columns - left) * width, (rows - top) * height, (right - columns) * width, (bottom - rows) * height]
    return ops.stack([distance + flat for distance in distances], axis=-1)


def boxes_of_cells(distances):
    """The box of every cell, of its distances in cells: float32 `(..., h, w, 4)` to fractions, inside the image."""
    height, width = distances.shape[-3:-1]
    rows, columns = cell_centers(height, width)
    flat = ops.zeros_like(rows + columns)
    left, top, right, bottom = (distances[..., i] for i in range(4))
    sides = [columns - left / width, rows - top / height, columns + right / width, rows + bottom / height]
    return ops.clip(ops.stack([side + flat for side in sides], axis=-1), 0.0, 1.0)


def peaks(maps, count):
    """The boxes at the highest peaks of the heat maps; a peak is a cell that no neighbor exceeds.

    Args:
        maps: float32 `(B, h, w, C + 4)`: logits of `C` heat maps, then distances to the edges in cells.
        count: int, boxes of each image.

    Returns:
        tuple: boxes float32 `(B, count, 4)` as fractions, scores float32 `(B, count)`, highest first, and classes
        int32 `(B, count)`.
    """
    height, width, channels = maps.shape[1:]
    classes = channels - 4
    heat = ops.sigmoid(maps[..., :classes])
    highest = ops.max_pool(heat, 3, strides=1, padding="same")
    heat = ops.where(heat >= highest, heat, 0.0)
    scores, places = ops.top_k(ops.reshape(heat, (-1, height * width * classes)), count)
    boxes = ops.reshape(boxes_of_cells(maps[..., classes:]), (-1, height * width, 4))
    boxes = ops.take_along_axis(boxes, (places // classes)[..., None], axis=1)
    return boxes, scores, ops.cast(places % classes, "int32")


def paired_iou(boxes, others):
    """Intersection over union of each box with the other of its row: float `(..., 4)` twice, to `(...)`."""
    shared = ops.minimum(boxes[..., 2:], others[..., 2:]) - ops.maximum(boxes[..., :2], others[..., :2])
    shared = ops.prod(ops.maximum(shared, 0.0), axis=-1)
    areas = [ops.prod(ops.maximum(found[..., 2:] - found[..., :2], 0.0), axis=-1) for found in (boxes, others)]
    return shared / ops.maximum(areas[0] + areas[1] - shared, 1e-9)
