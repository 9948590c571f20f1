"""Objects as points: what is learned from boxes, and boxes that are read from maps."""

import keras
import numpy as np
import pytest

from kerasfusion.evaluation.boxes import average_precision, box_iou
from kerasfusion.heads import BoxHead, DetectionHead
from kerasfusion.losses import CenterPointLoss
from kerasfusion.losses.box_maps import bumps, edge_distances, paired_iou, peaks
from kerasfusion.metrics import BoxAccuracy

# Left, top, right, bottom; the centers are in cells (row 1, column 2) and (row 3, column 0) of a grid of 4 x 4.
BOXES = np.array([[[0.4, 0.3, 0.8, 0.6], [0.05, 0.75, 0.15, 1.0], [0.0, 0.0, 0.0, 0.0]]], "float32")


def maps_of(boxes, classes, count):
    """Maps that say exactly these boxes: every cell tells of the nearest."""
    heat = np.full((1, 4, 4, count), -9.0, "float32")
    distances = np.zeros((1, 4, 4, 4), "float32")
    for box, number in zip(boxes[0], classes, strict=True):
        row, column = int((box[1] + box[3]) / 2 * 4), int((box[0] + box[2]) / 2 * 4)
        heat[0, row, column, number] = 9.0
    for row, column in np.ndindex(4, 4):
        x, y = (column + 0.5) / 4, (row + 0.5) / 4
        middles = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
        box = boxes[0, np.hypot(*(middles - (x, y)).T).argmin()]
        distances[0, row, column] = 4 * np.array([x - box[0], y - box[1], box[2] - x, box[3] - y])
    return np.concatenate([heat, distances], axis=-1)


def test_bumps_peak_at_the_cell_of_the_center_and_padding_has_none():
    found = np.asarray(bumps(BOXES, 4, 4))
    assert found.shape == (1, 3, 4, 4) and not found[0, 2].any()
    assert np.argwhere(found[0] == 1).tolist() == [[0, 1, 2], [1, 3, 0]]
    # The first box is 1.6 cells wide and 1.2 high: a sixth of that is less than a third of a cell.
    np.testing.assert_allclose(found[0, 0, 1, 3], np.exp(-0.5 * 3**2), rtol=1e-5)


def test_a_wide_box_has_a_wide_bump():
    found = np.asarray(bumps(np.array([[[0.0, 0.25, 1.0, 0.5]]], "float32"), 4, 12))[0, 0]
    # Twelve cells wide: a deviation of two.
    np.testing.assert_allclose(found[1, 8], np.exp(-0.5), rtol=1e-5)


def test_maps_that_say_the_boxes_cost_nothing_and_are_read_back():
    maps = maps_of(BOXES[:, :2], (2, 0), 3)
    labels = np.concatenate([BOXES, [[[2.0], [0.0], [0.0]]]], axis=-1).astype("float32")
    loss = CenterPointLoss(3)
    assert float(loss(labels, maps)) < 1e-3
    boxes, scores, classes = map(np.asarray, peaks(keras.ops.convert_to_tensor(maps), 3))
    order = np.argsort(-classes[0, :2])
    np.testing.assert_allclose(boxes[0, order], BOXES[0, :2], atol=1e-6)
    assert classes[0, order].tolist() == [2, 0] and scores[0, 1] > 0.99 and scores[0, 2] < 0.01
    worse = maps.copy()
    worse[0, 1, 2, 4] += 1.0  # one distance of one of two boxes is off by a cell
    # Half of it is the share of one of two boxes, and half the weight of the distances.
    share = 1 / np.asarray(bumps(BOXES, 4, 4))[0, 0].sum()
    assert float(loss(labels, worse)) - float(loss(labels, maps)) == pytest.approx(0.25 * share, rel=1e-2)


def test_the_focal_loss_equals_its_equation():
    maps = np.random.default_rng(0).normal(size=(2, 4, 4, 6)).astype("float32")
    labels = np.concatenate([np.repeat(BOXES, 2, axis=0), np.ones((2, 3, 1), "float32")], axis=-1)
    b = np.zeros((2, 4, 4, 2))
    b[..., 1] = np.asarray(bumps(BOXES, 4, 4))[0].max(axis=0)
    p = 1 / (1 + np.exp(-maps[..., :2]))
    focal = np.where(b == 1, -((1 - p) ** 2) * np.log(p), -((1 - b) ** 4) * p**2 * np.log(1 - p)).sum(axis=(1, 2, 3))
    found = CenterPointLoss(2, box_weight=0.0, reduction=None)(labels, maps)
    np.testing.assert_allclose(np.asarray(found), focal / 2, rtol=1e-4)


def test_one_box_of_one_class_may_come_without_a_class():
    maps = np.random.default_rng(0).normal(size=(2, 4, 4, 5)).astype("float32")
    alone = np.array([[0.1, 0.2, 0.5, 0.9], [0.0, 0.0, 0.0, 0.0]], "float32")
    padded = np.pad(alone[:, None], ((0, 0), (0, 0), (0, 1)))
    found, same = (np.asarray(CenterPointLoss(1, reduction=None)(y, maps)) for y in (alone, padded))
    np.testing.assert_array_equal(found, same)
    with pytest.raises(ValueError, match="2 classes need 6 maps, not 5"):
        CenterPointLoss(2)(padded, maps)


def test_distances_are_those_to_the_edges():
    found = np.asarray(edge_distances(np.array([[[0.25, 0.0, 1.0, 0.5]]], "float32"), 2, 4))[0, 0]
    np.testing.assert_allclose(found[1, 0], [-0.5, 1.5, 3.5, -0.5])


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ((0.0, 0.0, 0.5, 0.5), 1.0),
        ((0.5, 0.5, 1.0, 1.0), 0.0),
        ((0.6, 0.6, 1.0, 1.0), 0.0),
        ((0.0, 0.0, 1.0, 1.0), 0.25),
        ((0.25, 0.0, 0.75, 0.5), 1 / 3),
        ((0.25, 0.25, 0.25, 0.25), 0.0),
    ],
)
def test_intersection_over_union(other, iou):
    pair = np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([other])
    np.testing.assert_allclose(box_iou(*pair), [iou])
    np.testing.assert_allclose(np.asarray(paired_iou(*(p.astype("float32") for p in pair))), [iou], rtol=1e-6)


def test_average_precision_counts_missed_and_repeated_boxes():
    a, b, c = (np.array([x, 0.0, x + 0.2, 0.2]) for x in (0.0, 0.4, 0.8))
    true_images, true_boxes = np.array([0, 0, 1]), np.stack([a, b, a])
    # Right, the same again, right, a place without anything: precision 1, 1/2, 2/3 at recalls 1/3 and 2/3.
    found = average_precision(
        np.array([0, 0, 0, 1]), np.stack([a, a, b, c]), np.array([0.9, 0.8, 0.7, 0.6]), true_images, true_boxes
    )
    assert found == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision(np.array([], int), np.zeros((0, 4)), np.array([]), true_images, true_boxes) == 0
    assert np.isnan(average_precision(np.array([0]), a[None], np.ones(1), np.array([], int), np.zeros((0, 4))))


def test_heads_start_with_few_centers_and_are_saved_with_their_settings():
    grid = keras.random.normal((2, 4, 4, 6))
    head = DetectionHead(classes=3, max_boxes=2, hidden_dim=5)
    found = head.predictions(head(grid))
    assert [tuple(found[key].shape) for key in ("boxes", "scores", "classes")] == [(2, 2, 4), (2, 2), (2, 2)]
    copy = DetectionHead.from_config(head.get_config())
    assert (copy.classes, copy.max_boxes, copy.hidden_dim, copy.outputs) == (3, 2, 5, 7)
    box = BoxHead(grid_size=(2, 3))
    assert tuple(box(keras.ops.zeros((2, 6))).shape) == (2, 2, 3, 5)
    np.testing.assert_allclose(np.asarray(box.predictions(box(keras.ops.zeros((2, 6))))["score"]), 0.1, rtol=1e-5)
    assert BoxHead.from_config(box.get_config()).grid_size == (2, 3)
    average = box.average(keras.ops.stack([box(keras.ops.ones((1, 6)))] * 2), keras.ops.array([[[0.25]], [[0.75]]]))
    np.testing.assert_allclose(np.asarray(average), np.asarray(box(keras.ops.ones((1, 6)))), rtol=1e-6)


def test_box_accuracy_counts_boxes_that_are_found():
    maps = np.concatenate([maps_of(BOXES[:, [i]], (0,), 1) for i in range(2)])
    metric = BoxAccuracy()
    metric.update_state(BOXES[0, [0, 0]], maps)
    assert float(metric.result()) == 0.5
    assert BoxAccuracy.from_config(BoxAccuracy(threshold=0.75).get_config()).threshold == 0.75
