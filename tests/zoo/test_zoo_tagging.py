"""The image taggers: the article's network to the letter, and the one for small images."""

import dataclasses

import keras
import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.schema import Feature, Schema, Task

CIFAR = Schema(
    (Feature("image", "image", ("image",), size=(32, 32)),),
    (Task("label", "multiclass", "label", classes=tuple("abcdefghij")),),
)


def test_article_tagging_is_the_articles_network():
    """The same weights in the article's own layers give the article's probabilities."""
    layers = keras.layers
    article = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model = kf.create_model("article_tagging", CIFAR)
    missing = [weight for weight in model.weights if "missing" in weight.path]
    assert [weight.shape for weight in missing] == [(64,)]
    assert model.count_params() - 64 == article.count_params() == 122_570
    article.set_weights([np.asarray(weight) for weight in model.weights if "missing" not in weight.path])
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("uint8")
    logits = model({"image": pixels, "image_present": np.ones(4, bool)})["label"]
    found = model.get_layer("head_label").predictions(logits)["probabilities"]
    np.testing.assert_allclose(found, article(pixels / 255.0), atol=1e-5)
    assert model.get_layer("head_label").loss().get_config()["from_logits"] is True


def test_images_that_are_too_small_for_the_article():
    small = dataclasses.replace(CIFAR.features[0], size=(17, 40))
    with pytest.raises(ValueError, match="17 x 40 pixels are too small for 3 convolutions; make them larger"):
        kf.create_model("article_tagging", dataclasses.replace(CIFAR, features=(small,)))


def test_the_residual_tagger_keeps_every_pixel_at_the_stem():
    model = kf.create_model("tagger_residual", CIFAR)
    encoder = model.get_layer("encode_image")
    assert [down.strides for down in encoder.down] == [1, 2, 2, 2]
    assert encoder(np.zeros((1, 32, 32, 3), "uint8"))["grid"].shape == (1, 4, 4, 192)
    # Nothing between the mean over cells and the logits, so that class activation maps are exact.
    assert model.get_layer("fusion").projection is None


def test_taggers_take_images_alone(tiny_schema):
    both = Schema((tiny_schema["text"], *CIFAR.features), CIFAR.tasks)
    for name in ("article_tagging", "tagger_residual"):
        assert set(kf.create_model(name, both, units=4).input) == {"image", "image_present"}


def test_stem_strides_survive_saving():
    layer = kf.encoders.ResidualCNN(4, filters=(3, 4), stem_strides=1)
    copy = type(layer).from_config(layer.get_config())
    assert copy(np.zeros((1, 16, 16, 3), "uint8"))["grid"].shape == (1, 8, 8, 4)
    small = kf.encoders.SmallCNN(4, filters=(3, 4), padding="valid", last_pool=False)
    copy = type(small).from_config(small.get_config())
    assert copy(np.zeros((1, 16, 16, 3), "uint8"))["grid"].shape == (1, 5, 5, 4)
