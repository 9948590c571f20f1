"""Ordered classes: the cumulative link head, its loss and metrics against NumPy and scikit-learn."""

import keras
import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import cohen_kappa_score

from kerasfusion.heads import OrdinalHead, build_head
from kerasfusion.losses import CumulativeLinkLoss
from kerasfusion.metrics import OrdinalMeanAbsoluteError, QuadraticWeightedKappa
from kerasfusion.schema import Task

CLASSES = 5
LABELS = np.array([0, 1, 2, 3, 4, 4, 0, 2], "int32")
random = np.random.default_rng(0)
SCORES, THRESHOLDS = random.normal(0, 2, (len(LABELS), 1)), np.array([-2.0, -0.5, 0.3, 1.9])
LOGITS = (SCORES - THRESHOLDS).astype("float32")


def probabilities(logits):
    """`P(y) = P(y > k - 1) - P(y > k)`, straight from the definition."""
    above = expit(np.asarray(logits, "float64"))
    edges = np.concatenate([np.ones((len(above), 1)), above, np.zeros((len(above), 1))], axis=1)
    return edges[:, :-1] - edges[:, 1:]


def test_loss_is_the_negative_log_likelihood():
    expected = -np.log(probabilities(LOGITS)[np.arange(len(LABELS)), LABELS])
    np.testing.assert_allclose(CumulativeLinkLoss(reduction=None)(LABELS, LOGITS), expected, rtol=1e-5)
    np.testing.assert_allclose(CumulativeLinkLoss()(LABELS[:, None], LOGITS), expected.mean(), rtol=1e-5)


def test_loss_and_gradient_stay_finite_far_out():
    logits = keras.Variable(np.array([[90.0, 89.0], [-300.0, -300.0], [0.0, 0.0]], "float32"))
    loss = CumulativeLinkLoss(reduction=None)(np.array([0, 2, 1]), logits)
    np.testing.assert_allclose(np.array(loss)[:2], [90, 300], rtol=1e-5)
    assert np.isfinite(np.array(loss)).all()


def test_head_has_one_score_and_ordered_thresholds():
    head = OrdinalHead(CLASSES - 1)
    x = random.normal(size=(6, 8)).astype("float32")
    logits = np.array(head(x))
    assert sorted(tuple(weight.shape) for weight in head.weights) == [(1,), (3,), (8, 1)]
    assert (np.diff(logits, axis=1) < 0).all()
    np.testing.assert_allclose(logits, x @ np.array(head.dense.kernel) - np.array(head.thresholds), rtol=1e-5)
    # At a score of 0 every class is equally likely.
    even = head.predictions(-np.array(head.thresholds)[None])["probabilities"]
    np.testing.assert_allclose(even, np.full((1, CLASSES), 1 / CLASSES), rtol=1e-5)
    head.gaps.assign([-30.0, 30.0, 0.0])
    assert (np.diff(np.array(head.thresholds)) >= 0).all()


def test_predictions_and_class_scores():
    head = OrdinalHead(CLASSES - 1, temperature=2.0)
    np.testing.assert_allclose(head.predictions(LOGITS)["probabilities"], probabilities(LOGITS / 2), atol=1e-6)
    np.testing.assert_allclose(np.exp(head.class_scores(LOGITS)), probabilities(LOGITS), atol=1e-6)


def test_metrics_agree_with_numpy_and_scikit_learn():
    decided, weights = (LOGITS > 0).sum(axis=1), np.array([1, 2, 0, 1, 1, 3, 1, 1], "float32")
    mae, kappa = OrdinalMeanAbsoluteError(), QuadraticWeightedKappa(CLASSES)
    for half in (slice(0, 3), slice(3, None)):
        for metric in (mae, kappa):
            metric.update_state(LABELS[half], LOGITS[half], sample_weight=weights[half])
    assert float(mae.result()) == pytest.approx((np.abs(LABELS - decided) * weights).sum() / weights.sum())
    expected = cohen_kappa_score(LABELS, decided, weights="quadratic", sample_weight=weights)
    assert float(kappa.result()) == pytest.approx(expected, abs=1e-6)


def test_it_learns_an_order_that_no_class_alone_shows(tmp_path):
    x = random.uniform(-1, 1, (400, 3)).astype("float32")
    y = np.digitize(x[:, 0], [-0.6, -0.2, 0.2, 0.6]).astype("int32")
    head = build_head(Task("grade", "ordinal", "grade", classes=tuple("12345")))
    inputs = keras.Input((3,))
    model = keras.Model(inputs, head(inputs))
    model.compile(keras.optimizers.Adam(0.3), loss=head.loss(), metrics=head.metrics_for())
    model.fit(x, y, epochs=20, batch_size=50, verbose=0)
    found = model.evaluate(x, y, return_dict=True, verbose=0)
    assert found["mae"] < 0.1 and found["kappa"] > 0.9
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x[:5]), model(x[:5]))
