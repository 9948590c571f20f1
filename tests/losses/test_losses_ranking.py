"""Losses of recommenders, against loops in NumPy."""

import keras
import numpy as np
import pytest

from kerasfusion.losses import BPRLoss, SampledSoftmaxLoss

KNOWN = np.array([[1, 0, 0, -1], [0, 1, 1, 0], [0, 0, 0, -1]])
SCORES = np.array([[0.9, 0.1, 2.0, 9.0], [0.5, -0.3, 0.3, 9.0], [0.0, 0.6, 0.2, 9.0]], "float32")


def pairs():
    for scores, marks in zip(SCORES.astype("float64"), KNOWN, strict=True):
        yield scores[marks == 1], scores[marks == 0]


def value(loss, known=KNOWN, scores=SCORES):
    return float(keras.ops.convert_to_numpy(loss(known, scores)))


def test_bpr():
    found = [-np.log(1 / (1 + np.exp(q - p))) for positive, negative in pairs() for p in positive for q in negative]
    np.testing.assert_allclose(value(BPRLoss()), np.mean(found), rtol=1e-6)
    np.testing.assert_allclose(value(BPRLoss(), [[1, 0]], [[0.5, 0.5]]), np.log(2), rtol=1e-6)


def test_sampled_softmax():
    rows = [
        np.mean([-np.log(np.exp(p) / (np.exp(p) + np.exp(negative).sum())) for p in positive])
        for positive, negative in pairs()
        if len(positive)
    ]
    np.testing.assert_allclose(value(SampledSoftmaxLoss()), np.mean(rows), rtol=1e-6)
    # One direction alone: columns are no anchors.
    np.testing.assert_allclose(value(SampledSoftmaxLoss(), [[1, 0, 0, 0]], [[0.0] * 4]), np.log(4), rtol=1e-6)


@pytest.mark.parametrize("loss", [BPRLoss(), SampledSoftmaxLoss()])
def test_nothing_to_compare_costs_nothing(loss):
    assert value(loss, [[0, 0], [-1, 0]], [[1.0, 2.0], [3.0, 4.0]]) == 0
