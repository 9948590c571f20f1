"""Encoders without the dense layer that ends them: what it would have seen is their output."""

import numpy as np
import pytest

from kerasfusion.encoders import AverageEmbeddingEncoder, TextCNN

IDS = np.array([[4, 5, 6, 0], [7, 0, 0, 0]])


def test_the_average_is_that_of_the_word_vectors():
    encoder = AverageEmbeddingEncoder(10, None, embedding_dim=3)
    out = encoder(IDS)
    vectors = np.array(encoder.embedding.embeddings)
    np.testing.assert_allclose(out["pooled"], [vectors[4:7].mean(axis=0), vectors[7]], rtol=1e-5)
    assert len(encoder.weights) == 1 and out["sequence"].shape == (2, 4, 3)
    again = AverageEmbeddingEncoder.from_config(encoder.get_config())
    assert again.units is None and again(IDS)["pooled"].shape == (2, 3)


def test_of_convolutions_every_filters_largest_answer_is_left():
    encoder = TextCNN(10, None, embedding_dim=3, kernel_sizes=(1, 2), filters=5)
    out = encoder(IDS)
    embedded = np.array(encoder.embedding(IDS)) * (IDS > 0)[..., None]
    answers = [np.array(c(embedded)) * (IDS > 0)[..., None] for c in encoder.convolutions]
    np.testing.assert_allclose(out["pooled"], np.concatenate(answers, -1).max(axis=1), rtol=1e-5)


def test_word_vectors_need_a_width():
    with pytest.raises(ValueError, match=r"without units, say how wide word vectors are \(embedding_dim\)"):
        TextCNN(10, None)
