"""Boxes compared: overlap, and the average precision of detections."""

import numpy as np


def box_iou(boxes, others):
    """Intersection over union of each box with the other of its row.

    Args:
        boxes: float `(..., 4)`: left, top, right and bottom, in any unit.
        others: float of the same shape, or of one that NumPy broadcasts to it.

    Returns:
        float `(...)`; 0 where both boxes have no area.

    Example:

    >>> box_iou(np.array([0.0, 0.0, 0.5, 0.5]), np.array([0.25, 0.0, 0.75, 0.5])).round(3)
    np.float64(0.333)
    """
    shared = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    shared = np.clip(shared, 0, None).prod(axis=-1)
    areas = [np.prod(np.clip(found[..., 2:] - found[..., :2], 0, None), axis=-1) for found in (boxes, others)]
    return shared / np.maximum(areas[0] + areas[1] - shared, np.finfo("float32").tiny)


def average_precision(images, boxes, scores, true_images, true_boxes, threshold=0.5):
    """Average precision of the detections of one class: the area under the interpolated precision-recall curve.

    Detections are matched in the order of their scores: each takes the true box of its image with the highest
    overlap, and is wrong where that is below the threshold or the box was taken before.

    Args:
        images: int `(n,)`, the image of each detection.
        boxes: float `(n, 4)`: left, top, right and bottom.
        scores: float `(n,)`.
        true_images: int `(m,)`, the image of each true box.
        true_boxes: float `(m, 4)`.
        threshold: float, least intersection over union. Defaults to 0.5.

    Returns:
        float in [0, 1]; NaN without true boxes.

    Example:

    >>> box = np.array([[0.0, 0.0, 0.5, 0.5]])
    >>> average_precision(np.array([0]), box, np.array([0.9]), np.array([0, 1]), np.repeat(box, 2, axis=0))
    0.5
    """
    if not len(true_images):
        return float("nan")
    taken = np.zeros(len(true_images), bool)
    right = np.zeros(len(images), bool)
    order = np.argsort(-scores, kind="stable")
    for rank, place in enumerate(order):
        own = np.flatnonzero(true_images == images[place])
        if not len(own):
            continue
        overlaps = box_iou(boxes[place], true_boxes[own])
        best = own[overlaps.argmax()]
        if overlaps.max() >= threshold and not taken[best]:
            taken[best] = right[rank] = True
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    # The best precision at this recall or a higher one.
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(precision[right].sum() / len(true_images))
