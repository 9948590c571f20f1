import keras
import numpy as np
import pytest

from kerasfusion.data import Task
from kerasfusion.heads import BinaryHead, ClassesHead, NumberHead, TagsHead, head_for
from kerasfusion.losses import ScaledSquaredError

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [1.0, 1.0, 1.0]], "float32")
WEIGHTS = np.array([1.0, 2.0, 0.0], "float32")


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("head", [ClassesHead(3), BinaryHead(), TagsHead(3), NumberHead(1.0, 2.0)])
def test_logits_are_float32_under_mixed_precision(head):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        out = type(head).from_config(head.get_config())(np.ones((2, 4), "float16"))
    finally:
        keras.config.set_dtype_policy("float32")
    assert out.dtype == "float32" and out.shape == (2, head.outputs)


def test_classes():
    head, labels = ClassesHead(3), np.array([0, 2, 1], "int32")
    each = -np.log(softmax(LOGITS)[np.arange(3), labels])
    loss = head.loss()(labels, LOGITS, sample_weight=WEIGHTS)
    np.testing.assert_allclose(loss, (each * WEIGHTS).sum() / 3.0, rtol=1e-5)
    np.testing.assert_allclose(head.predictions(LOGITS)["probabilities"], softmax(LOGITS), rtol=1e-5)
    (accuracy,) = head.metrics_for()
    accuracy.update_state(labels, LOGITS, sample_weight=WEIGHTS)
    np.testing.assert_allclose(accuracy.result(), 1 / 3)


def test_binary():
    head, labels, logits = BinaryHead(), np.array([1.0, 0.0, 1.0], "float32"), LOGITS[:, :1]
    p = sigmoid(logits[:, 0])
    each = -np.where(labels == 1, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(
        head.loss()(labels, logits, sample_weight=WEIGHTS), (each * WEIGHTS).sum() / 3.0, rtol=1e-5
    )
    np.testing.assert_allclose(head.predictions(logits)["probabilities"], np.stack([1 - p, p], axis=1), rtol=1e-5)
    accuracy, auc = head.metrics_for()
    accuracy.update_state(np.array([1.0, 0.0]), np.array([[0.3], [-0.3]]))
    auc.update_state(np.array([1.0, 0.0]), np.array([[0.3], [-0.3]]))
    assert float(accuracy.result()) == 1.0
    np.testing.assert_allclose(auc.result(), 1.0, atol=1e-6)


def test_tags():
    head, labels = TagsHead(3), np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], "float32")
    each = -(labels * np.log(sigmoid(LOGITS)) + (1 - labels) * np.log(sigmoid(-LOGITS))).mean(axis=1)
    np.testing.assert_allclose(
        head.loss()(labels, LOGITS, sample_weight=WEIGHTS), (each * WEIGHTS).sum() / 3.0, rtol=1e-5
    )
    np.testing.assert_allclose(head.predictions(LOGITS)["probabilities"], sigmoid(LOGITS), rtol=1e-5)


def test_number():
    head = NumberHead(mean=10.0, std=2.0)
    head.build((None, 1))
    head.dense.kernel.assign([[3.0]])
    out = head(np.array([[1.0]], "float32"))
    np.testing.assert_allclose(out, [[16.0]])
    np.testing.assert_allclose(head.predictions(out)["value"], [16.0])
    np.testing.assert_allclose(head.loss()(np.array([12.0]), out), ((16 - 12) / 2) ** 2)
    with pytest.raises(ValueError, match="must be positive"):
        ScaledSquaredError(0.0)


@pytest.mark.parametrize(
    ("head", "link"),
    [(ClassesHead(3), softmax), (TagsHead(3), sigmoid), (BinaryHead(), sigmoid)],
)
def test_average_is_the_mean_of_probabilities(head, link):
    logits = np.stack([LOGITS, LOGITS[::-1] * 2])[..., : head.outputs]
    weights = np.array([[0.25, 0.5, 1.0], [0.75, 0.5, 0.0]], "float32")[..., None]
    mixed = head.average(logits, weights)
    np.testing.assert_allclose(link(np.asarray(mixed)), (weights * link(logits)).sum(axis=0), rtol=1e-4)
    extreme = np.stack([np.full((1, head.outputs), 80.0), np.full((1, head.outputs), -80.0)]).astype("float32")
    assert np.isfinite(head.average(extreme, np.full((2, 1, 1), 0.5, "float32"))).all()


def test_average_of_numbers():
    mixed = NumberHead().average(np.array([[[1.0]], [[5.0]]]), np.array([[[0.25]], [[0.75]]]))
    np.testing.assert_allclose(mixed, [[4.0]])


def test_the_head_of_a_task():
    made = {kind: head_for(Task("t", kind, "c", classes=("a", "b", "d"))) for kind in ("binary", "classes", "tags")}
    assert [type(h) for h in made.values()] == [BinaryHead, ClassesHead, TagsHead]
    assert [h.outputs for h in made.values()] == [1, 3, 3]
    number = head_for(Task("t", "number", "c", mean=3.0, std=4.0))
    assert (number.mean, number.std, number.name) == (3.0, 4.0, "head_t")
