"""Losses on all pairs of a batch, against loops in NumPy."""

import keras
import numpy as np
import pytest

from kerasfusion.losses import InfoNCELoss, MarginContrastiveLoss, SigmoidContrastiveLoss, TripletLoss

# Three images, five texts: two texts each for the first two, one for the last; the fourth text is padding.
KNOWN = np.array([[1, 1, 0, -1, 0], [0, 0, 1, -1, 0], [0, 0, 0, -1, 1]])
SCORES = np.array(
    [[0.9, 0.1, 0.2, 9.0, -0.4], [0.5, -0.3, 0.3, 9.0, 0.1], [0.0, 0.6, 0.25, 9.0, 0.7]],
    "float32",
)


def info_nce_rows(scores, known):
    losses = []
    for row, marks in zip(scores.astype("float64"), known, strict=True):
        against = np.exp(row[marks == 0]).sum()
        found = [-np.log(np.exp(s) / (np.exp(s) + against)) for s in row[marks == 1]]
        if found:
            losses.append(np.mean(found))
    return np.mean(losses)


def triplets(scores, known, margin, choose):
    found = []
    for row, marks in zip(scores.astype("float64"), known, strict=True):
        for near in row[marks == 1]:
            found += [max(0.0, margin - near + far) for far in choose(near, row[marks == 0])]
    return np.mean(found)


def semi_hard(near, negatives):
    below = negatives[negatives < near]
    return [below.max() if len(below) else negatives.min()]


CHOICES = {
    "all": lambda near, negatives: negatives,
    "hard": lambda near, negatives: [negatives.max()],
    "semi_hard": semi_hard,
}


def both_ways(of_rows, *arguments):
    return (of_rows(SCORES, KNOWN, *arguments) + of_rows(SCORES.T, KNOWN.T, *arguments)) / 2


def value(loss, known=KNOWN, scores=SCORES):
    return float(keras.ops.convert_to_numpy(loss(known, scores)))


def test_info_nce():
    np.testing.assert_allclose(value(InfoNCELoss()), both_ways(info_nce_rows), rtol=1e-6)
    # Two pairs, all scores alike: each has to choose one of two.
    np.testing.assert_allclose(value(InfoNCELoss(), np.eye(2), np.zeros((2, 2))), np.log(2), rtol=1e-6)


def test_info_nce_is_cross_entropy_where_every_row_has_one_positive():
    scores = np.random.default_rng(0).normal(size=(6, 6)).astype("float32") * 5
    expected = [
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.arange(6), matrix)
        for matrix in (scores, scores.T)
    ]
    np.testing.assert_allclose(value(InfoNCELoss(), np.eye(6), scores), np.mean(expected), rtol=1e-5)


def test_a_second_caption_is_no_negative():
    """The gradient never pushes an image from one of its captions, however near the other one is."""
    import tensorflow as tf

    scores = tf.constant([[9.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    known = np.array([[1, 1, 0], [0, 0, 1]])
    for loss in (InfoNCELoss(), SigmoidContrastiveLoss(), TripletLoss(0.5, "all"), MarginContrastiveLoss()):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            found = loss(known, scores)
        assert (tape.gradient(found, scores).numpy()[known == 1] <= 0).all(), loss.name


@pytest.mark.parametrize("negatives", sorted(CHOICES))
def test_triplet(negatives):
    expected = both_ways(triplets, 0.3, CHOICES[negatives])
    np.testing.assert_allclose(value(TripletLoss(0.3, negatives)), expected, rtol=1e-5)


def test_siglip():
    yes, no = SCORES[KNOWN == 1].astype("float64"), SCORES[KNOWN == 0].astype("float64")
    expected = (np.log1p(np.exp(-yes)).sum() + np.log1p(np.exp(no)).sum()) / 4
    np.testing.assert_allclose(value(SigmoidContrastiveLoss()), expected, rtol=1e-6)


def test_cosine_margin():
    # Positives 0.9 0.1 0.3 0.7; of the negatives 0.5 and 0.6 and 0.25 are above 0.2.
    expected = (0.1 + 0.9 + 0.7 + 0.3) / 4 + (0.3 + 0.4 + 0.05) / 8
    np.testing.assert_allclose(value(MarginContrastiveLoss(0.2)), expected, rtol=1e-5)


ALL = [
    InfoNCELoss(),
    SigmoidContrastiveLoss(),
    MarginContrastiveLoss(0.1),
    *(TripletLoss(0.25, n) for n in sorted(CHOICES)),
]


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: f"{loss.name}-{getattr(loss, 'negatives', '')}")
class TestEveryLoss:
    def test_padding_does_not_count(self, loss):
        without = np.delete(KNOWN, 3, axis=1), np.delete(SCORES, 3, axis=1)
        np.testing.assert_allclose(value(loss), value(loss, *without), rtol=1e-6)

    def test_nothing_known_costs_nothing(self, loss):
        assert value(loss, np.full((2, 3), -1), np.ones((2, 3), "float32")) == 0.0

    def test_low_precision_scores_and_a_config(self, loss):
        again = type(loss).from_config(loss.get_config())
        half = SCORES.astype("float16")
        np.testing.assert_allclose(value(again, scores=half), value(loss, scores=half.astype("float32")), rtol=1e-6)

    def test_good_scores_cost_less(self, loss):
        good = np.where(KNOWN == 1, 0.95, -0.5).astype("float32")
        assert value(loss, scores=good) < value(loss)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="mining must be one of all, semi_hard, hard, not 'easy'"):
        TripletLoss(mining="easy")
    with pytest.raises(ValueError, match="margin must be positive, not 0"):
        TripletLoss(0)
    with pytest.raises(ValueError, match=r"cosine in \[-1, 1\), not 1"):
        MarginContrastiveLoss(1)
