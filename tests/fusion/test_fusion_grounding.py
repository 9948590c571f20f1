"""Grounding: what a text says is told to every cell; boxes have places in the steps of attention."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.encoders import BoxEncoder
from kerasfusion.fusion import GroundingFusion, MACFusion

ROWS = 3


def inputs(seed=0):
    random = np.random.default_rng(seed)
    grid = random.normal(size=(ROWS, 3, 4, 5)).astype("float32")
    text = {
        "sequence": random.normal(size=(ROWS, 4, 6)).astype("float32"),
        "mask": np.arange(4) < np.array([[4], [2], [1]]),
    }
    return {"text": text, "image": {"grid": grid, "sequence": grid.reshape(ROWS, 12, 5)}}


def present(text=True, image=True):
    return {"text": np.full(ROWS, text), "image": np.full(ROWS, image)}


@pytest.fixture(scope="module")
def layer():
    keras.utils.set_random_seed(1)
    made = GroundingFusion(8, num_steps=2)
    made(inputs(), present=present())
    return made


def test_it_gives_a_grid_and_every_weight_and_input_has_a_gradient(layer):
    given = tf.nest.map_structure(tf.convert_to_tensor, inputs())
    floats = [given["text"]["sequence"], given["image"]["sequence"]]
    some = {"text": np.array([True, True, False]), "image": np.array([True, False, True])}
    with tf.GradientTape() as tape:
        tape.watch(floats)
        cells = layer(given, present=some)
        loss = tf.reduce_sum(tf.sin(cells * np.arange(1, 9)))
    assert cells.shape == (ROWS, 3, 4, 8)
    weights = layer.trainable_variables
    gradients = tape.gradient(loss, [*floats, *weights])
    without = [w.path for w, g in zip(weights, gradients[2:], strict=True) if g is None or not np.any(g)]
    assert not without and all(np.any(g) for g in gradients[:2])


def test_rows_do_not_depend_on_one_another_and_missing_content_never_matters(layer):
    whole = np.asarray(layer(inputs(), present=present()))
    alone = keras.tree.map_structure(lambda value: value[1:2], inputs())
    flags = {"text": np.array([True]), "image": np.array([True])}
    np.testing.assert_allclose(np.asarray(layer(alone, present=flags))[0], whole[1], atol=1e-5)
    other = inputs(seed=5)
    for name in ("text", "image"):
        mixed = {**inputs(), name: other[name]}
        flags = present(**{name: False})
        np.testing.assert_array_equal(
            np.asarray(layer(inputs(), present=flags)), np.asarray(layer(mixed, present=flags))
        )
        assert np.abs(np.asarray(layer(mixed, present=present())) - whole).max() > 1e-3


def test_it_is_made_again_from_its_config(layer):
    copy = GroundingFusion.from_config(layer.get_config())
    copy(inputs(), present=present())
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        np.asarray(copy(inputs(), present=present())), np.asarray(layer(inputs(), present=present()))
    )


def test_it_needs_one_grid():
    with pytest.raises(ValueError, match="finds places in one image grid"):
        GroundingFusion(8)({**inputs(), "numbers": {"sequence": np.zeros((ROWS, 1, 3), "float32")}})


def test_boxes_have_the_places_of_their_centers_in_the_steps():
    """The place that a step attended to is a weighted mean of the boxes' centers, not of zeros."""
    boxes = np.zeros((ROWS, 2, 4), "float32")
    boxes[:, 0] = 0.0, 0.5, 0.5, 1.0  # center: column 0.25, row 0.75
    encoded = BoxEncoder(6)(boxes)
    np.testing.assert_allclose(np.asarray(encoded["positions"])[0], [[0.5, -0.5], [0.0, 0.0]])
    layer = MACFusion(8, num_steps=2)
    given = {"text": inputs()["text"], "boxes": encoded}
    flags = {"text": np.full(ROWS, True), "boxes": np.array([True, False, True])}
    layer(given, present=flags)
    _, _, place, _ = layer.reason(layer.values_of(given, flags))
    np.testing.assert_allclose(np.asarray(place), [[0.5, -0.5], [0.0, 0.0], [0.5, -0.5]], atol=1e-6)


def test_cells_and_boxes_share_the_steps():
    boxes = BoxEncoder(6)(np.tile(np.array([[0.0, 0.5, 0.5, 1.0]], "float32"), (ROWS, 1, 1)))
    given = {**inputs(), "boxes": boxes}
    layer = MACFusion(8, num_steps=2)
    assert layer(given).shape == (ROWS, 8)
    _, _, place, _ = layer.reason(layer.values_of(given))
    assert np.abs(np.asarray(place)).max() <= 1
