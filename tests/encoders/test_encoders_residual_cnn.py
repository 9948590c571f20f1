import keras
import numpy as np
import tensorflow as tf

from kerasfusion.encoders import ResidualCNN
from kerasfusion.layers import BatchRenormalization


def test_coordinates_reach_the_last_layer():
    encoder = ResidualCNN(units=2, filters=(4,), num_blocks=0, coordinates=True)
    encoder(np.zeros((1, 6, 4, 3), "uint8"))
    kernel = np.zeros((4 + 2, 2), "float32")
    kernel[4, 0] = kernel[5, 1] = 1  # a channel of rows and one of columns, whatever the image shows
    encoder.projection.set_weights([kernel, np.float32([0.5, 0])])
    found = encoder(np.random.default_rng(0).integers(0, 256, (1, 6, 4, 3)).astype("uint8"))
    rows, columns = [0.0, 0.5, 1.5], [0.0, 1.0]  # relu of -1, 0, 1 plus a half; relu of -1, 1
    np.testing.assert_allclose(found["grid"][0], [[[r, c] for c in columns] for r in rows], atol=1e-6)
    np.testing.assert_allclose(found["pooled"][0], [2 / 3, 0.5], atol=1e-6)


def test_without_normalization_a_image_does_not_see_its_batch():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")
    for normalize, alone in ((False, True), (True, False)):
        encoder = ResidualCNN(units=4, filters=(4, 4), batch_norm=normalize)
        together, single = (
            encoder(images, training=True)["grid"][0],
            encoder(images[:1], training=True)["grid"][0],
        )
        assert np.allclose(together, single, atol=1e-6) == alone
        kept = ResidualCNN.from_config(encoder.get_config())
        kept(images)
        assert len(kept.weights) == len(encoder.weights) == (22 if normalize else 10)


def test_with_batch_renorm_a_training_image_is_encoded_as_in_inference():
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)).astype("uint8")
    for renorm in (False, True):
        encoder = ResidualCNN(units=4, filters=(4, 4), num_blocks=0, batch_renorm=renorm)
        encoder(images, training=True)
        before = [np.array(weight) for weight in encoder.non_trainable_weights]
        trained = encoder(images, training=True)["pooled"]
        # The statistics have moved, and inference takes them as they are now.
        assert all(
            np.abs(np.array(w) - b).max() > 0 for w, b in zip(encoder.non_trainable_weights, before, strict=True)
        )
        assert np.allclose(trained, encoder(images)["pooled"], atol=1e-5) == renorm
        kept = ResidualCNN.from_config(encoder.get_config())
        kept(images)
        assert [w.shape for w in kept.weights] == [w.shape for w in encoder.weights]


def test_batch_renorm_has_the_gradient_of_batch_normalization():
    x = tf.constant(np.random.default_rng(0).normal(2.0, 3.0, (6, 4)).astype("float32"))
    gradients = []
    for kind in (keras.layers.BatchNormalization, BatchRenormalization):
        layer = kind()
        layer.build(x.shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * tf.range(6.0)[:, None] * tf.range(4.0))
        gradients.append(tape.gradient(loss, x).numpy())
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-5)
    assert np.abs(gradients[0]).max() > 0.1


def test_with_batch_renorm_the_pooled_vector_is_standardized():
    encoder = ResidualCNN(units=4, filters=(4,), num_blocks=0, batch_renorm=True)
    colors = np.random.default_rng(0).integers(0, 256, (16, 1, 1, 3)).astype("uint8")
    images = np.broadcast_to(colors, (16, 4, 4, 3))
    for _ in range(40):
        encoder(images, training=True)
    found = encoder(images)
    varying = np.mean(found["grid"], axis=(1, 2)).std(axis=0) > 0.2
    assert varying.any() and not encoder.pooled_norm.trainable_weights
    np.testing.assert_allclose(np.mean(found["pooled"], axis=0)[varying], 0, atol=0.1)
    np.testing.assert_allclose(np.std(found["pooled"], axis=0)[varying], 1, atol=0.1)
