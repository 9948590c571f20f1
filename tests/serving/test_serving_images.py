"""Exports that answer with images: an autoencoder's and a generator's, through TensorFlow's C API."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerasfusion as kf
from kerasfusion.schema import Feature, Schema
from kerasfusion.serving import CApiSession
from kerasfusion.serving.reference import difference

SCHEMA = Schema(
    (
        Feature("text", "text", ("words",), length=3, vocabulary=("red", "blue", "cross")),
        Feature("image", "image", ("image",), size=(8, 8)),
    ),
    (),
)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)), float)


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    keras.utils.set_random_seed(0)
    small = {"name": "small_cnn", "filters": (4,), "flatten": True}
    model = kf.models.autoencoder(SCHEMA, "average", small, units=8, latent_dim=3, filters=(4, 4), name="code")
    # One word is likely whatever comes in.
    model.get_layer("head_text").dense.bias.assign([9.0, -9.0, 9.0])
    raw = {
        "text": [b"red cross", b"", b"blue"],
        "image_bytes": [png(np.full((8, 8, 3), v, "uint8")) for v in (9, 99, 199)],
    }
    return model, raw, kf.serving.export_model(model, SCHEMA, tmp_path_factory.mktemp("sm") / "code", raw)


def test_an_autoencoder_gives_back_both_from_either(autoencoder):
    model, raw, version = autoencoder
    with CApiSession(version) as session:
        assert sorted(session.signatures) == ["encode", "serving_default", "tensors"]
        alone = {"text": raw["text"][:1], "image_bytes": [b""]}
        answer = session.run("serving_default", alone)
        code = session.run("encode", alone)["code"]
    assert answer["image_ok"].tolist() == [False]
    assert answer["text"].tolist() == [b"red cross"]
    own = {
        "text": np.array([[4, 6, 0]], "int32"),
        "text_present": np.array([True]),
        "image": np.zeros((1, 8, 8, 3), "uint8"),
        "image_present": np.array([False]),
    }
    drawn = keras.ops.convert_to_numpy(keras.ops.sigmoid(model(own)["image"]))[0]
    np.testing.assert_allclose(pixels(answer["image_bytes"][0]), 255 * drawn, atol=0.51)
    expected = keras.Model(model.input, model.get_layer("code").output)(own)
    np.testing.assert_allclose(code, expected, atol=1e-5)
    np.testing.assert_allclose(answer["text_probabilities"][0, 1], 1 / (1 + np.exp(9.0)), rtol=0.5)


def test_a_generator_draws_by_seed(tmp_path):
    keras.utils.set_random_seed(0)
    model = kf.models.generator(SCHEMA, "average", noise_dim=4, units=4, filters=(4, 4), name="draw")
    version = kf.serving.export_model(model, SCHEMA, tmp_path / "draw", {"text": [b"red cross", b"blue", b""]})
    with CApiSession(version) as session:
        assert sorted(session.signatures) == ["serving_default", "tensors"]
        text = [b"red cross"] * 3 + [b"blue"]
        drawn = session.run("serving_default", {"text": text, "seed": np.array([7, 8, 7, 7], "int32")})["image_bytes"]
        alone = session.run("serving_default", {"text": text[:1], "seed": np.array([7], "int32")})["image_bytes"]
    assert pixels(drawn[0]).shape == (8, 8, 3)
    noise = keras.ops.convert_to_numpy(tf.random.stateless_normal((4,), [7, 0]))
    own = keras.ops.convert_to_numpy(model({"text": np.array([[4, 6, 0]]), "noise": noise[None]})["image"])[0]
    np.testing.assert_allclose(pixels(drawn[0]), 255 * own, atol=0.51)
    assert drawn[0] == drawn[2]
    assert np.abs(pixels(drawn[0]) - pixels(alone[0])).max() <= 1
    assert drawn[0] != drawn[1]
    assert drawn[0] != drawn[3]


def test_no_model_for_lite_rt(tmp_path):
    model = kf.models.generator(SCHEMA, "average", noise_dim=4, units=4, filters=(4, 4))
    with pytest.raises(ValueError, match=r"Other forms answer tasks: .* \(lite\)"):
        kf.serving.export_model(model, SCHEMA, tmp_path, {"text": [b"red"]}, lite=True)


def test_images_may_differ_by_rounding_alone():
    image = np.full((4, 4, 3), 100, "uint8")
    nearly, far = image.copy(), image.copy()
    nearly[0, 0, 0] += 1
    far[0, 0, 0] += 2
    expected, shown = (np.array([png(p)], object) for p in (image, nearly))
    assert difference("image_bytes", expected, shown) == ""
    for wrong in (png(far), b"no image", png(image[:2])):
        found = difference("image_bytes", expected, np.array([wrong], object))
        assert found.startswith("`image_bytes`: 1 of 1 values differ")
