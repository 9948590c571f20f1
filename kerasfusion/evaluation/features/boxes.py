"""Boxes in an evaluation."""

import json

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.corruption import Corruption
from kerasfusion.evaluation.features.base import EvaluatedFeature
from kerasfusion.evaluation.thumbnails import thumbnail
from kerasfusion.preprocessing.features.boxes import Boxes

_READ = Boxes()


def jitter(x, features, degree, seed):
    """Move each edge of a box by up to this share of half the box's side. Boxes stay inside of the image."""
    changed = dict(x)
    for place, feature in enumerate(features):
        boxes = x[feature.name]
        side = tf.tile(boxes[..., 2:4] - boxes[..., :2], [1, 1, 2])
        shift = tf.random.stateless_uniform(tf.shape(side), tf.add(seed, [0, place + 1]), -0.5, 0.5)
        moved = boxes[..., :4] + degree * side * shift
        changed[feature.name], _ = _READ.read(feature, tf.concat([moved, boxes[..., 4:]], axis=-1), None, None)
    return changed


def leave_out(x, features, degree, seed):
    """Leave out this share of boxes. A row that loses all of them lacks the feature."""
    changed = dict(x)
    for place, feature in enumerate(features):
        boxes, present = x[feature.name], f"{feature.name}_present"
        lost = tf.random.stateless_uniform(tf.shape(boxes)[:2], tf.add(seed, [0, place + 1])) < degree
        changed[feature.name] = left = tf.where(lost[..., None], 0.0, boxes)
        changed[present] = x[present] & tf.reduce_any(left[..., 2] > 0, axis=-1)
    return changed


class BoxInputs(EvaluatedFeature):
    """Boxes are shown in their image, moved and left out."""

    corruptions = (
        Corruption("boxes moved", "boxes", "most that an edge moves / half the side", jitter),
        Corruption("boxes left out", "boxes", "share of boxes", leave_out),
    )
    what = "boxes"

    def shown(self, feature, examples, position):
        boxes = _boxes(feature, examples, position)
        cell = {"boxes": np.round(boxes[:, :4].astype(float), 4).tolist(), "labels": _labels(feature, boxes)}
        bank = examples.banks.get(feature.image)
        place = examples.arrays[feature.image][position] if bank is not None else -1
        made = thumbnail(bank.encoded(place), boxes=cell["boxes"]) if place >= 0 and len(boxes) else None
        if made is not None:
            cell["src"], (cell["width"], cell["height"]) = made
        return cell

    def sample(self, feature, examples):
        row = int(np.argmax(examples.present[feature.name]))
        cell = examples.frame[feature.columns[0]].iloc[row]
        return {
            "input": np.round(examples.arrays[feature.name][row].astype(float), 4).tolist(),
            "cell": json.loads(cell) if isinstance(cell, str) else [],
        }


def _boxes(feature, examples, position):
    boxes = examples.arrays[feature.name][position]
    return boxes[boxes[:, 2] > boxes[:, 0]]


def _labels(feature, boxes):
    return [feature.category_names[0][int(box[4])] for box in boxes] if feature.categories else []
