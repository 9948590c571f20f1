import numpy as np

from kerasfusion.encoders import ResidualCNN


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
