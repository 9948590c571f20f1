"""The pretrained encoders against the original implementations, whose outputs are stored."""

from pathlib import Path

import keras
import numpy as np
import pytest
from reference_inputs import SENTENCES, images

from kerasfusion.encoders import BertEncoder, EfficientNetLite0Encoder, MiniLMEncoder
from kerasfusion.preprocessing import text_vectorizer
from kerasfusion.pretrained import available, bert_folder, read_efficientnet_lite, read_vocabulary
from kerasfusion.schema import Feature

pytestmark = [
    pytest.mark.pretrained,
    pytest.mark.skipif(
        not all(available().values()),
        reason="; ".join(found.problem for found in available().values() if not found),
    ),
]


@pytest.fixture(scope="module")
def reference():
    return np.load(Path(__file__).parent / "network_reference.npz")


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype="float32")


@pytest.fixture(scope="module")
def pieces():
    return read_vocabulary(bert_folder("minilm"))[0]


@pytest.fixture(scope="module")
def ids(pieces):
    feature = Feature("text", "text", ("a",), length=128, vocabulary=pieces, tokenizer="wordpiece")
    return text_vectorizer(feature)(list(SENTENCES)).numpy().astype("int32")


def test_efficientnet_lite0_gives_the_original_features_and_logits(reference):
    out = EfficientNetLite0Encoder(None)(images())
    np.testing.assert_allclose(numbers(out["pooled"]), reference["features"], atol=1e-4)
    np.testing.assert_allclose(numbers(out["grid"])[:, 2, 5], reference["cells"], atol=1e-4)
    classifier = read_efficientnet_lite()
    logits = numbers(out["pooled"]) @ classifier["classifier/kernel"] + classifier["classifier/bias"]
    np.testing.assert_allclose(logits, reference["logits"], atol=1e-4)


def test_minilm_gives_the_original_sentence_embeddings_and_states(reference, pieces, ids):
    encoder = MiniLMEncoder(len(pieces) + 4, None, vocabulary=pieces)
    out = encoder(ids)
    np.testing.assert_allclose(numbers(out["pooled"]), reference["sentences"], atol=1e-4)
    states, lengths = numbers(out["sequence"]), (ids != 0).sum(axis=1)
    np.testing.assert_allclose(states[0, : lengths[0]], reference["first_states"], atol=1e-4)
    np.testing.assert_allclose(states[np.arange(len(ids)), lengths - 1], reference["last_states"], atol=1e-4)
    assert encoder.trainable_weights == []


def test_a_folder_in_hugging_face_form_is_the_same(reference, pieces, ids):
    encoder = BertEncoder(len(pieces) + 4, None, weights=bert_folder("minilm"), vocabulary=pieces, global_pool=True)
    out = encoder(ids)
    np.testing.assert_allclose(numbers(out["pooled"]), reference["sentences"], atol=1e-4)
    assert out["sequence"].shape == (len(SENTENCES), 1, 384)
    halves = numbers(encoder.features(ids))
    np.testing.assert_allclose(numbers(encoder({"features": halves})["pooled"]), reference["sentences"], atol=1e-4)


def test_other_token_ids_are_refused():
    with pytest.raises(
        ValueError, match=r"token ids are not those of minilm.*tokenizer='minilm' \(--tokenizer minilm\)"
    ):
        MiniLMEncoder(9, 4, vocabulary=tuple("abcde"))
    with pytest.raises(ValueError, match="token ids are not those of minilm"):
        MiniLMEncoder(9, 4)
