"""Heads: logits, losses, metrics, predictions and averages against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.heads import BinaryHead, MulticlassHead, MultiLabelHead, RegressionHead, build_head
from kerasfusion.losses import ScaledSquaredError
from kerasfusion.schema import Task

LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [-3.0, 0.0, 4.0], [9.0, 9.0, 9.0]], "float32")
ONE = LOGITS[:, :1]
CLASSES = np.array([0, 2, 2, 1], "int32")
TAGS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]], "float32")
BINARY = np.array([1, 0, 0, 1], "float32")
WEIGHTS = np.array([1.0, 3.0, 2.0, 0.0], "float32")  # the last row is padding


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def softmax(x):
    e = np.exp(np.asarray(x, "float64"))
    return e / e.sum(axis=-1, keepdims=True)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def bernoulli(y, logits):
    return -(y * np.log(sigmoid(logits)) + (1 - y) * np.log(sigmoid(-logits)))


LOSSES = {
    "binary": (BinaryHead(), BINARY, ONE, bernoulli(BINARY, ONE[:, 0])),
    "multiclass": (MulticlassHead(3), CLASSES, LOGITS, -np.log(softmax(LOGITS)[np.arange(4), CLASSES])),
    "multilabel": (MultiLabelHead(3), TAGS, LOGITS, bernoulli(TAGS, LOGITS).mean(axis=1)),
    "regression": (RegressionHead(mean=3.0, std=2.0), BINARY, ONE, ((BINARY - ONE[:, 0]) / 2) ** 2),
}


@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_loss_is_the_weighted_mean_over_rows(kind):
    head, labels, logits, per_row = LOSSES[kind]
    loss = head.loss()
    np.testing.assert_allclose(numbers(loss(labels, logits)), per_row.mean(), rtol=1e-5)
    weighted = (per_row * WEIGHTS).sum() / 6.0
    np.testing.assert_allclose(numbers(loss(labels, logits, sample_weight=WEIGHTS)), weighted, rtol=1e-5)
    # Padding rows count neither above nor below the line.
    np.testing.assert_allclose(numbers(loss(labels[:3], logits[:3], WEIGHTS[:3])), weighted, rtol=1e-5)


def test_literal_losses():
    zero = np.zeros((2, 3), "float32")
    np.testing.assert_allclose(numbers(MulticlassHead(3).loss()(np.array([0, 2]), zero)), np.log(3), rtol=1e-6)
    np.testing.assert_allclose(numbers(MultiLabelHead(3).loss()(TAGS[:2], zero)), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(numbers(BinaryHead().loss()(BINARY[:2], zero[:, :1])), np.log(2), rtol=1e-6)


def measure(head, labels, logits, weights=None):
    metrics = {metric.name: metric for metric in head.metrics_for()}
    for metric in metrics.values():
        metric.update_state(labels, logits, sample_weight=weights)
    return {name: float(metric.result()) for name, metric in metrics.items()}


def test_metrics():
    assert measure(MulticlassHead(3), CLASSES, LOGITS) == {"accuracy": 0.5}  # rows 0 and 2 (a tie counts as class 0)
    assert measure(MulticlassHead(3), CLASSES, LOGITS, WEIGHTS) == {"accuracy": 0.5}  # (1 + 2) / 6
    binary = measure(BinaryHead(), BINARY, ONE, WEIGHTS)
    assert binary["accuracy"] == 0.5 and set(binary) == {"accuracy", "auc"}
    assert measure(BinaryHead(), BINARY, ONE)["accuracy"] == 0.75  # a logit of 0.5 is a wrong yes
    assert measure(BinaryHead(), BINARY, ONE)["auc"] == pytest.approx(1.0, abs=0.01)
    # Of four (yes, no) pairs three are in order.
    assert measure(BinaryHead(), BINARY, np.array([[-1.0], [0.5], [-3.0], [2.0]]))["auc"] == pytest.approx(
        0.75, abs=0.01
    )
    # Rows: 3, 2 (0.0 is no), 3 and 2 of 3 right.
    assert measure(MultiLabelHead(3), TAGS, LOGITS)["tag_accuracy"] == pytest.approx(11 / 12)
    assert measure(RegressionHead(3.0, 2.0), BINARY, ONE, WEIGHTS)["mae"] == pytest.approx((1 + 3 * 0.5 + 2 * 3) / 6)


def test_metrics_are_new_each_time():
    head = MulticlassHead(3)
    assert head.metrics_for()[0] is not head.metrics_for()[0]


def test_predictions():
    classes = MulticlassHead(3).predictions(LOGITS)
    assert set(classes) == {"probabilities"}
    np.testing.assert_allclose(numbers(classes["probabilities"]), softmax(LOGITS), atol=1e-6)
    np.testing.assert_allclose(numbers(classes["probabilities"])[3], [1 / 3] * 3, atol=1e-6)
    binary = numbers(BinaryHead().predictions(np.array([[0.0], [np.log(3.0)]], "float32"))["probabilities"])
    np.testing.assert_allclose(binary, [[0.5, 0.5], [0.25, 0.75]], atol=1e-6)
    tags = numbers(MultiLabelHead(3).predictions(LOGITS)["probabilities"])
    np.testing.assert_allclose(tags, sigmoid(LOGITS), atol=1e-6)
    number = RegressionHead(mean=3.0, std=2.0).predictions(np.array([[4.5], [-1.0]], "float32"))
    assert set(number) == {"value"}
    np.testing.assert_array_equal(numbers(number["value"]), [4.5, -1.0])


def test_number_head_answers_in_the_labels_unit():
    head = RegressionHead(mean=3.0, std=2.0)
    head.build((None, 2))
    head.dense.set_weights([np.array([[1.0], [2.0]], "float32"), np.array([0.5], "float32")])
    np.testing.assert_allclose(numbers(head(np.array([[1.0, 0.25]], "float32"))), [[2.0 * 2.0 + 3.0]])
    constant = RegressionHead(mean=7.0, std=0.0)
    assert constant.std == 1.0 and constant.loss().std == 1.0


def test_scaled_squared_error():
    loss = ScaledSquaredError(2.0, reduction="none")
    np.testing.assert_allclose(numbers(loss(np.array([1.0, 5.0]), np.array([[3.0], [2.0]]))), [1.0, 2.25])
    # An integer label of shape (B, 1) is the same label.
    np.testing.assert_allclose(numbers(loss(np.array([[1], [5]]), np.array([[3.0], [2.0]]))), [1.0, 2.25])
    assert ScaledSquaredError.from_config(loss.get_config()).std == 2.0
    for std in (0.0, -1.0):
        with pytest.raises(ValueError, match="positive"):
            ScaledSquaredError(std)


WEIGHTED = np.array([[[0.75], [0.5], [1.0]], [[0.25], [0.5], [0.0]]], "float32")  # (M=2, B=3, 1)
TWO = np.random.default_rng(3).normal(scale=3, size=(2, 3, 4)).astype("float32")


def logit(p):
    return np.log(p) - np.log1p(-p)


def test_average_is_the_log_of_the_mean_probability():
    classes = numbers(MulticlassHead(4).average(TWO, WEIGHTED))
    np.testing.assert_allclose(classes, np.log((softmax(TWO) * WEIGHTED).sum(axis=0)), atol=1e-4)
    tags = numbers(MultiLabelHead(4).average(TWO, WEIGHTED))
    np.testing.assert_allclose(tags, logit((sigmoid(TWO) * WEIGHTED).sum(axis=0)), atol=1e-3)
    binary = numbers(BinaryHead().average(TWO[..., :1], WEIGHTED))
    assert binary.shape == (3, 1)
    np.testing.assert_allclose(binary, logit((sigmoid(TWO[..., :1]) * WEIGHTED).sum(axis=0)), atol=1e-3)
    number = numbers(RegressionHead(1.0, 2.0).average(np.array([[[2.0]] * 3, [[6.0]] * 3], "float32"), WEIGHTED))
    np.testing.assert_allclose(number, [[3.0], [4.0], [2.0]])


@pytest.mark.parametrize("head", [BinaryHead(), MulticlassHead(2), MultiLabelHead(2)], ids=lambda h: type(h).__name__)
def test_average_of_extreme_logits(head):
    far = np.array([[[80.0, -80.0]] * 3, [[-80.0, 80.0]] * 3], "float32")[..., : head.outputs]
    averaged = head.average(far, WEIGHTED)
    assert np.isfinite(numbers(averaged)).all()
    probabilities = numbers(head.predictions(averaged)["probabilities"])
    # The first model is sure of the first class (binary: of "positive", the second column), the other of the other.
    expected = np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    expected = expected[:, ::-1] if isinstance(head, BinaryHead) else expected
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    agreed = numbers(head.average(np.abs(far), WEIGHTED))
    assert np.isfinite(agreed).all()
    with tf.GradientTape() as tape:
        logits = tf.Variable(far)
        total = tf.reduce_sum(head.average(logits, WEIGHTED))
    assert np.isfinite(tape.gradient(total, logits)).all()


TASKS = {
    "binary": (BinaryHead, 1, ("no", "yes")),
    "multiclass": (MulticlassHead, 3, ("a", "b", "c")),
    "multilabel": (MultiLabelHead, 3, ("a", "b", "c")),
    "regression": (RegressionHead, 1, ()),
}


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_head_for_a_task(kind, tmp_path):
    wanted, outputs, classes = TASKS[kind]
    head = build_head(Task("mood", kind, "column", classes=classes, mean=4.0, std=0.5))
    assert type(head) is wanted and head.outputs == outputs and head.name == "head_mood"
    if kind == "regression":
        assert (head.mean, head.std) == (4.0, 0.5)
    assert head(np.ones((2, 5), "float32")).shape == (2, outputs)
    entry = keras.Input((5,))
    model = keras.Model(entry, head(entry))
    model.save(tmp_path / "head.keras")
    loaded = keras.saving.load_model(tmp_path / "head.keras")
    assert loaded.get_layer("head_mood").get_config() == head.get_config()
    np.testing.assert_array_equal(numbers(loaded(np.ones((1, 5)))), numbers(model(np.ones((1, 5)))))


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_logits_are_float32_whatever_the_policy(kind, low_precision):
    head = build_head(Task("label", kind, "column", classes=TASKS[kind][2]))
    logits = head(keras.ops.ones((2, 5), dtype=low_precision))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert keras.backend.standardize_dtype(head.dense.compute_dtype) == "float32"
    # Exact to float32: 2^-12 would be lost in either low precision, in a weight or in the representation.
    exact = 1 + 2.0**-12
    for weight, place in ((exact, keras.ops.ones((1, 5), dtype=low_precision)), (1.0, np.full((1, 5), exact, "f4"))):
        head.dense.set_weights([np.full((5, head.outputs), weight, "f4"), np.zeros(head.outputs, "f4")])
        np.testing.assert_allclose(numbers(head(place))[0], 5 * exact, rtol=1e-6)
