"""The context term of the fused loss, and weights that are learned."""

import keras
import numpy as np
import pytest

from kerasfusion.heads import SentenceEmbeddingHead
from kerasfusion.losses import EmbeddingDistance, UncertaintyWeighted

LABELS = np.array([[1.0, 0.0], [0.6, 0.8]], "float32")


@pytest.mark.parametrize(
    ("distance", "expected"),
    # Vectors (2, 0) and (0, 1): cosines 1 and 0.8; squared distances 1 and 0.36 + 0.04.
    [("cosine", [0.0, 0.2]), ("squared", [1.0, 0.4])],
)
def test_the_distances_by_hand(distance, expected):
    vectors = np.array([[2.0, 0.0], [0.0, 1.0]], "float32")
    loss = EmbeddingDistance(distance, reduction=None)(LABELS, vectors)
    np.testing.assert_allclose(loss, expected, atol=1e-6)
    mean = SentenceEmbeddingHead(2, distance).loss()(LABELS, vectors, np.array([0.0, 1.0], "float32"))
    np.testing.assert_allclose(mean, expected[1], atol=1e-6)


def test_an_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="distance must be one of cosine, squared, not 'manhattan'"):
        EmbeddingDistance("manhattan")


def test_a_learned_weight_by_hand():
    variable = keras.Variable(0.5)
    loss = UncertaintyWeighted(EmbeddingDistance("squared"), variable)
    vectors = np.array([[2.0, 0.0], [0.0, 1.0]], "float32")
    np.testing.assert_allclose(loss(LABELS, vectors), np.exp(-0.5) * 0.7 + 0.25, rtol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    np.testing.assert_allclose(again(LABELS, vectors), 0.7, rtol=1e-6)


def test_the_best_weight_is_the_inverse_of_twice_the_loss():
    # d/ds (exp(-s) L + s / 2) = 0 at exp(-s) = 1 / (2 L).
    head = SentenceEmbeddingHead(2, "squared", learn_loss_weight=True)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, head(inputs))
    head.dense.trainable = False
    model.compile(keras.optimizers.SGD(0.5), head.loss())
    loss = float(EmbeddingDistance("squared")(LABELS, np.array(model(LABELS))))
    model.fit(LABELS, LABELS, epochs=60, verbose=0)
    np.testing.assert_allclose(np.exp(-float(head.log_variance)), 1 / (2 * loss), rtol=1e-2)
