"""Calibration against literal figures and scikit-learn, temperatures that are known, cases that determine none."""

import keras
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from kerasfusion.evaluation import calibration_scores, fit_temperature
from kerasfusion.evaluation.calibration import LARGEST, before_and_after
from kerasfusion.evaluation.html_report.calibration import calibration
from kerasfusion.heads import BinaryHead, MulticlassHead, MultiLabelHead
from kerasfusion.models import get_heads, late_average
from kerasfusion.schema import Task

CLASSES = Task("label", "multiclass", "c", classes=("a", "b", "c"))
BINARY = Task("label", "binary", "b", classes=("no", "yes"))
TAGS = Task("label", "multilabel", "t", classes=("x", "y"))
NUMBER = Task("label", "regression", "n")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def drawn(task, rows=20_000):
    """Logits, and labels drawn with the probabilities that they say."""
    random = np.random.default_rng(0)
    logits = random.normal(scale=2, size=(rows, task.outputs))
    if task.type == "multiclass":
        labels = (softmax(logits).cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
        return labels.astype("int32"), logits
    labels = (random.random(logits.shape) < sigmoid(logits)).astype("float32")
    return (labels[:, 0] if task.type == "binary" else labels), logits


def test_expected_calibration_error_of_literal_rows():
    # Confidences 0.75 (twice, bin 12), 0.5 (bin 8) and 0.9 (bin 14).
    probabilities = np.array([[0.75, 0.25, 1e-9], [0.75, 0.15, 0.1], [0.5, 0.3, 0.2], [0.05, 0.9, 0.05]])
    found = calibration_scores(CLASSES, np.array([0, 1, 1, 1]), np.log(probabilities))
    # |1/2 - 0.75| of two rows, |0 - 0.5| of one, |1 - 0.9| of one.
    assert found["ece"] == pytest.approx((2 * 0.25 + 0.5 + 0.1) / 4)
    assert found["brier"] == pytest.approx(np.mean([0.125, 0.5625 + 0.7225 + 0.01, 0.25 + 0.49 + 0.04, 0.015]))
    assert found["nll"] == pytest.approx(-np.log([0.75, 0.15, 0.3, 0.9]).mean())
    assert [part["count"] for part in found["bins"]] == [0] * 7 + [1, 0, 0, 0, 2, 0, 1, 0]
    assert found["bins"][11] == {"count": 2, "confidence": pytest.approx(0.75), "accuracy": 0.5}


def test_yes_and_no_are_answers_too():
    probabilities = np.array([[0.1], [0.8]])  # no with 0.9 (bin 14), yes with 0.8 (bin 12)
    found = calibration_scores(BINARY, np.array([0.0, 0.0]), np.log(probabilities / (1 - probabilities)))
    assert found["ece"] == pytest.approx((0.1 + 0.8) / 2) and found["brier"] == pytest.approx((0.01 + 0.64) / 2)
    tags = calibration_scores(TAGS, np.array([[0.0, 0.0]]), np.log(probabilities / (1 - probabilities)).T)
    assert tags["ece"] == pytest.approx(found["ece"]) and tags["nll"] == pytest.approx(found["nll"])
    assert sum(part["count"] for part in tags["bins"]) == 2


def test_scores_agree_with_scikit_learn():
    labels, logits = drawn(CLASSES, 300)
    found = calibration_scores(CLASSES, labels, logits)
    assert found["nll"] == pytest.approx(log_loss(labels, softmax(logits)))
    assert found["brier"] == pytest.approx(((softmax(logits) - np.eye(3)[labels]) ** 2).sum(axis=1).mean())
    labels, logits = drawn(BINARY, 300)
    found = calibration_scores(BINARY, labels, logits)
    assert found["nll"] == pytest.approx(log_loss(labels, sigmoid(logits)))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, sigmoid(logits[:, 0])))


@pytest.mark.parametrize("task", [CLASSES, BINARY, TAGS], ids=lambda task: task.type)
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_known_temperature_is_found_again(task, factor):
    labels, logits = drawn(task)
    assert fit_temperature(task, labels, logits * factor) == pytest.approx(factor, rel=0.04)
    found = before_and_after(task, labels, logits * factor, factor)
    assert found["rows"] == len(labels)
    for key in ("ece", "brier", "nll"):
        assert found["after"][key] < found["before"][key]
    assert found["after"]["ece"] < 0.01


def test_rows_count_by_their_weights():
    labels, logits = drawn(BINARY, 4000)
    both = np.concatenate([logits * 4, logits])
    weights = np.repeat([1.0, 0.0], 4000)
    assert fit_temperature(BINARY, np.tile(labels, 2), both, weights) == pytest.approx(4, rel=0.1)
    assert fit_temperature(BINARY, np.tile(labels, 2), both, 1 - weights) == pytest.approx(1, rel=0.1)


def test_rows_that_determine_no_temperature_leave_doubt():
    logits = np.array([[4.0, 0.0, 0.0], [0.0, 3.0, 0.0]] * 200)
    right, wrong = np.array([0, 1] * 200), np.array([1, 2] * 200)
    all_right, all_wrong = (fit_temperature(CLASSES, labels, logits) for labels in (right, wrong))
    assert 0.2 < all_right < 1 and 5 < all_wrong <= LARGEST
    one_class = fit_temperature(BINARY, np.ones(50), np.full((50, 1), 3.0))
    assert 0.2 < one_class < 1
    assert fit_temperature(CLASSES, right[:0], logits[:0]) == 1.0
    for labels in ([0], [1]):  # one row alone
        assert 0.5 < fit_temperature(CLASSES, np.array(labels), logits[:1]) < 3
    assert np.isfinite(fit_temperature(BINARY, np.array([0.0, 1.0]), np.array([[900.0], [-900.0]])))


@pytest.mark.parametrize(
    "head", [MulticlassHead(3), BinaryHead(), MultiLabelHead(3)], ids=lambda head: type(head).__name__
)
def test_a_head_divides_by_its_temperature_and_decides_the_same(head):
    logits = np.random.default_rng(1).normal(scale=3, size=(500, head.outputs)).astype("float32")
    before = np.asarray(head.predictions(logits)["probabilities"])
    loss = head.loss()(np.zeros((500, head.outputs)) if isinstance(head, MultiLabelHead) else np.zeros(500), logits)
    head.temperature = 2.5
    after = np.asarray(head.predictions(logits)["probabilities"])
    yes = sigmoid(logits / 2.5)
    expected = {
        "MulticlassHead": lambda: softmax(logits / 2.5),
        "BinaryHead": lambda: np.concatenate([1 - yes, yes], axis=1),
        "MultiLabelHead": lambda: yes,
    }[type(head).__name__]()
    np.testing.assert_allclose(after, expected, atol=1e-6)
    if isinstance(head, MultiLabelHead):
        np.testing.assert_array_equal(after > 0.5, before > 0.5)
    else:
        np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    again = head.loss()(np.zeros((500, head.outputs)) if isinstance(head, MultiLabelHead) else np.zeros(500), logits)
    assert float(again) == float(loss)
    assert type(head).from_config(head.get_config()).temperature == 2.5


def test_a_temperature_is_positive():
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="positive"):
            MulticlassHead(3, temperature=temperature)


def test_an_average_has_a_temperature_of_its_own(tiny_schema, rows_for, tmp_path):
    model = late_average(tiny_schema, text_encoder="average", units=4)
    batch = rows_for(tiny_schema, 3)
    before = np.asarray(model(batch)["label"])
    get_heads(model)["label"].temperature = 3.0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(batch)["label"], before, atol=1e-6)
    probabilities = np.asarray(get_heads(loaded)["label"].predictions(before)["probabilities"])
    np.testing.assert_allclose(probabilities, softmax(before / 3), atol=1e-6)


def test_the_page_shows_both_diagrams():
    labels, logits = drawn(TAGS, 200)
    page = calibration(TAGS, before_and_after(TAGS, labels, logits * 3, 3.0))
    assert page.count("<svg") == 2 and "divided by 3," in page and "too sure of itself" in page
    assert "400 answers in 15 bins" in page
    assert "not sure enough" in calibration(TAGS, before_and_after(TAGS, labels, logits, 0.5))
    assert "No temperature was fitted" in calibration(TAGS, before_and_after(TAGS, labels, logits, 1.0))
    assert calibration(NUMBER, None) is None


def test_heads_saved_before_there_were_temperatures_load():
    config = MulticlassHead(3).get_config()
    config.pop("temperature")
    assert MulticlassHead.from_config(config).temperature == 1.0
