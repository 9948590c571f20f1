"""The cross-entropy of captions, against NumPy and numbers worked out by hand."""

import keras
import numpy as np
import pytest

from kerasfusion.heads import CaptionHead
from kerasfusion.losses import CaptionCrossentropy

# Two captions of four words at most, one of two texts of five words.
WORDS = np.array([[4, 4, 3, 0], [1, 3, 0, 0]], "int32")
LOGITS = np.random.default_rng(0).normal(scale=2, size=(2, 4, 5)).astype("float32")


def value(loss, *arguments):
    return float(keras.ops.convert_to_numpy(loss(*arguments)))


def word_losses(smoothing):
    """The cross-entropy with smoothed targets, word by word, `(B, T)`."""
    logits = LOGITS.astype("float64")
    log = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    targets = (1 - smoothing) * np.eye(5)[WORDS] + smoothing / 5
    return -(targets * log).sum(axis=-1)


def test_by_hand():
    # No preference among five words: each costs log 5, however many there are.
    assert value(CaptionCrossentropy(), WORDS, np.zeros((2, 4, 5))) == pytest.approx(np.log(5))
    assert value(CaptionCrossentropy(0.3), WORDS, np.zeros((2, 4, 5))) == pytest.approx(np.log(5))
    # Odds of 3 : 1 : 1 : 1 : 1 for the right one.
    sure = np.log(np.where(np.eye(5)[WORDS] > 0, 3.0, 1.0))
    assert value(CaptionCrossentropy(), WORDS, sure) == pytest.approx(np.log(7 / 3))
    assert value(CaptionCrossentropy(0.5), WORDS, sure) == pytest.approx(np.log(7) - 0.6 * np.log(3))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_is_over_words(smoothing):
    loss, words = CaptionCrossentropy(smoothing), word_losses(smoothing)
    assert value(loss, WORDS, LOGITS) == pytest.approx(words[WORDS > 0].mean(), rel=1e-5)
    weighted = (2 * words[0, :3].sum() + 0.5 * words[1, :2].sum()) / (2 * 3 + 0.5 * 2)
    assert value(loss, WORDS, LOGITS, np.array([2, 0.5])) == pytest.approx(weighted, rel=1e-5)
    assert value(loss, WORDS, LOGITS, np.array([0, 1])) == pytest.approx(words[1, :2].mean(), rel=1e-5)
    # Several captions of an image, `(B, K, T)`: the same words.
    assert value(loss, WORDS[None], LOGITS[None], np.array([[2, 0.5]])) == pytest.approx(weighted, rel=1e-5)
    # What stands at padding does not matter, and nothing at all costs nothing.
    other = np.where(WORDS[..., None] > 0, LOGITS, 99)
    assert value(loss, WORDS, other) == pytest.approx(words[WORDS > 0].mean(), rel=1e-5)
    assert value(loss, WORDS, LOGITS, np.zeros(2)) == value(loss, np.zeros_like(WORDS), LOGITS) == 0


def test_sure_logits_and_low_precision():
    loss = CaptionCrossentropy()
    far = np.where(np.eye(5)[WORDS] > 0, 0, 60000).astype("float16")
    assert value(loss, WORDS, far) == pytest.approx(60000, rel=1e-3)
    assert value(loss, WORDS, -far) == pytest.approx(0, abs=1e-6)


def test_a_share_is_a_share():
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match=rf"share in \[0, 1\), not {share}"):
            CaptionCrossentropy(share)
    assert CaptionCrossentropy.from_config(CaptionCrossentropy(0.2).get_config()).label_smoothing == 0.2


def test_the_head_owns_the_loss(tmp_path):
    head = CaptionHead(5, label_smoothing=0.1, name="head_caption")
    entry = keras.Input((4, 3))
    model = keras.Model(entry, head(entry))
    assert model.output.shape == (None, 4, 5) and model.output.dtype == "float32"
    assert value(head.loss(), WORDS, LOGITS) == pytest.approx(word_losses(0.1)[WORDS > 0].mean(), rel=1e-5)
    model.save(tmp_path / "head.keras")
    loaded = keras.saving.load_model(tmp_path / "head.keras").get_layer("head_caption")
    assert loaded.get_config() == head.get_config() and loaded.loss().label_smoothing == 0.1
    (metric,) = head.metrics_for()
    # Of five words three are the likeliest; the second caption counts three times.
    said = np.array([[4, 4, 2, 0], [0, 3, 0, 0]])
    metric.update_state(WORDS, np.eye(5, dtype="float32")[said])
    assert metric.name == "accuracy" and float(metric.result()) == pytest.approx(3 / 5)
    metric.reset_state()
    metric.update_state(WORDS[None], np.eye(5, dtype="float32")[said][None], sample_weight=np.array([[1, 3]]))
    assert float(metric.result()) == pytest.approx((2 + 3 * 1) / (3 + 3 * 2))
