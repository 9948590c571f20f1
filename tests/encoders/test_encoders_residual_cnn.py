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
        encoder = ResidualCNN(units=4, filters=(4, 4), num_blocks=0, batch_renorm=renorm, pool_stages=True)
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


def test_pooled_over_stages_by_hand():
    encoder = ResidualCNN(units=3, filters=(4, 5), num_blocks=0, coordinates=True, pool_stages=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype("uint8")
    encoder(images)
    early = encoder.down[0](images / np.float32(255))
    rows, columns = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 4), indexing="ij")
    places = np.broadcast_to(np.stack([rows, columns], axis=-1), (2, 4, 4, 2))
    (layer,) = encoder.early_projections
    cells = np.maximum(np.concatenate([early, places], axis=-1) @ np.array(layer.kernel), 0)
    means = np.concatenate([cells.mean((1, 2)), np.mean(encoder(images)["grid"], (1, 2))], axis=1)
    # Moving statistics at their start: mean 0, variance 1.
    expected = means / np.sqrt(1 + encoder.pooled_norm.epsilon) @ np.array(encoder.pooled_projection.kernel)
    np.testing.assert_allclose(encoder(images)["pooled"], expected, atol=1e-5)
