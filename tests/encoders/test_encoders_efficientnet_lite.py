"""EfficientNet-Lite0 with random weights: the contract, sizes, what learns. Its weights: tests/pretrained."""

import numpy as np
import pytest

from kerasfusion.encoders import EfficientNetLite0Encoder


@pytest.fixture(scope="module")
def encoder():
    encoder = EfficientNetLite0Encoder(5, weights=None, fine_tune="last_blocks", image_sizes=(64,))
    # One pixel is enough.
    encoder(np.full((2, 1, 1, 3), 7, "uint8"))
    return encoder


def test_an_image_of_one_pixel_is_an_image(encoder):
    out = encoder(np.array([[[[0, 0, 0]]], [[[255, 0, 9]]]], "uint8"))
    assert out["grid"].shape == (2, 2, 2, 5) and out["sequence"].shape == (2, 4, 5) and out["pooled"].shape == (2, 5)
    assert np.isfinite(out["pooled"]).all()


def test_the_last_blocks_learn_and_the_others_give_features(encoder):
    learning = {layer.name.partition("_")[0] for layer in encoder.backbone.layers if layer.trainable_weights}
    assert learning == {"block11", "block12", "block13", "block14", "block15", "top"}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 1, 1, 3)).astype("uint8")
    features = encoder.features(pixels)
    assert features.shape == (2, 4, 4, 112)
    np.testing.assert_allclose(encoder({"features": features})["pooled"], encoder(pixels)["pooled"], atol=1e-5)


def test_small_images_as_they_are_are_refused():
    with pytest.raises(ValueError, match="images must be 32 x 32 at least, not 1 x 1"):
        EfficientNetLite0Encoder(5, weights=None, image_sizes=())(np.zeros((1, 1, 1, 3), "uint8"))
