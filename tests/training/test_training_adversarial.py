"""A generator and a discriminator: what each loses, how they learn, and the averages at the end."""

import keras
import numpy as np
import pytest

from kerasfusion.losses import discriminator_hinge, generator_hinge
from kerasfusion.models import discriminator, generator
from kerasfusion.schema import Feature, Schema
from kerasfusion.training import Adversarial

FEATURES = (
    Feature("text", "text", ("words",), length=3, vocabulary=("red", "blue", "cross")),
    Feature("image", "image", ("image",), size=(8, 8)),
)
SCHEMA = Schema(FEATURES, ())


def pair(seed=0):
    keras.utils.set_random_seed(seed)
    draw = generator(SCHEMA, "average", noise_dim=4, units=4, filters=(4, 4), initial_brightness=0.8, name="draw")
    return draw, discriminator(SCHEMA, "average", units=4, filters=(4, 4))


def batch(rows=4):
    rng = np.random.default_rng(0)
    return {
        "text": rng.integers(4, 7, (rows, 3)).astype("int32"),
        "image": rng.integers(0, 256, (rows, 8, 8, 3)).astype("uint8"),
    }


def step(twin):
    return twin.train_step((keras.tree.map_structure(keras.ops.convert_to_tensor, batch()),))


def test_hinges_by_hand():
    real, drawn = np.array([[2.0], [0.5], [-1.0]], "float32"), np.array([[-3.0], [0.0], [1.0]], "float32")
    # max(0, 1 − real) is 0, 0.5, 2 and max(0, 1 + drawn) 0, 1, 2.
    np.testing.assert_allclose(discriminator_hinge(real, drawn), 2.5 / 3 + 1, rtol=1e-6)
    np.testing.assert_allclose(generator_hinge(drawn), 2 / 3, rtol=1e-6)


def test_drawn_images_follow_text_and_noise():
    draw, _ = pair()
    ids, noise = batch()["text"], np.random.default_rng(1).normal(size=(4, 4)).astype("float32")
    ids[:] = [4, 6, 0]
    first = keras.ops.convert_to_numpy(draw({"text": ids, "noise": noise})["image"])
    assert first.shape == (4, 8, 8, 3)
    assert first.min() > 0
    assert first.max() < 1
    assert abs(first.mean() - 0.8) < 0.1
    other_noise = draw({"text": ids, "noise": noise[::-1]})["image"]
    np.testing.assert_allclose(other_noise, first[::-1], atol=1e-6)
    assert np.abs(first[0] - first[3]).max() > 1e-4
    other_text = draw({"text": np.full_like(ids, 5), "noise": noise})["image"]
    assert np.abs(other_text - first).max() > 1e-4


def test_the_text_is_projected_onto_the_images_features():
    _, score = pair()
    x = batch()
    given = {"text": x["text"], "image": x["image"] / 255.0}
    parts = {name: score.get_layer(name).output for name in ("features", "projection", "looks")}
    parts = {k: np.asarray(v) for k, v in keras.Model(score.input, parts)(given).items()}
    features = np.where(parts["features"] > 0, parts["features"], 0.2 * parts["features"])
    expected = 5 * (parts["looks"] + (features * parts["projection"]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(score(given), expected, rtol=1e-4, atol=1e-6)


def test_a_step_normalizes_the_discriminator_and_changes_both():
    draw, score = pair()
    twin = Adversarial(draw, score)
    twin.compile(keras.optimizers.Adam(1e-3, use_ema=True), keras.optimizers.Adam(0.0))
    before = [w.numpy() for w in draw.trainable_variables]
    for _ in range(6):
        logs = step(twin)
    assert {name: np.ndim(value) for name, value in logs.items()} == {"discriminator_loss": 0, "generator_loss": 0}
    assert all(np.abs(a - b.numpy()).max() > 0 for a, b in zip(before, draw.trainable_variables, strict=True))
    # With a rate of 0, what is left of the weights is their direction: the largest singular value is 1.
    kernel = score.get_layer("conv_0").layer.kernel.numpy().reshape(-1, 4)
    np.testing.assert_allclose(np.linalg.norm(kernel, 2), 1.0, rtol=0.1)


def test_real_images_of_other_texts_are_to_be_refused():
    draw, score = pair()
    twin = Adversarial(draw, score, seed=3)
    twin.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    noise = np.asarray(keras.random.normal((4, 4), seed=keras.random.SeedGenerator(3)))
    found = float(step(twin)["discriminator_loss"])
    x = batch()
    text, real = x["text"], (x["image"] / 255).astype("float32")
    drawn = np.asarray(draw({"text": text, "noise": noise}, training=True)["image"])
    # Weights are as long as the step has left them, which made them so before it looked.
    right, made, other = (
        np.asarray(score({"text": said, "image": shown}))
        for said, shown in ((text, real), (text, drawn), (np.roll(text, 1, axis=0), real))
    )
    refused = np.concatenate([made, other])
    expected = np.maximum(0, 1 - right).mean() + np.maximum(0, 1 + refused).mean()
    assert np.abs(right - other).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_end_is_the_average_of_the_weights():
    draw, score = pair()
    twin = Adversarial(draw, score)
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    twin.compile(optimizer, keras.optimizers.SGD(0.1))
    kernel = draw.get_layer("decoder").dense.kernel
    seen = []
    for _ in range(3):
        step(twin)
        seen.append(kernel.numpy())
    twin.finish()
    first, second, third = seen
    expected = 0.75 * (0.75 * first + 0.25 * second) + 0.25 * third
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-5, atol=1e-7)
    assert np.abs(expected - third).max() > 1e-6


def test_equal_seeds_train_equally():
    ends = []
    for _ in range(2):
        draw, score = pair()
        twin = Adversarial(draw, score, seed=3)
        twin.compile(keras.optimizers.Adam(1e-3, use_ema=True), keras.optimizers.Adam(1e-3))
        step(twin)
        ends.append(draw.get_layer("decoder").dense.kernel.numpy())
    np.testing.assert_array_equal(*ends)


def test_schemas_that_cannot_be_drawn_are_named():
    with pytest.raises(ValueError, match=r"one text and one image, not \['text'\]"):
        generator(SCHEMA.only("text"))
