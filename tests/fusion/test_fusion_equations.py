"""Each fusion against its docstring's equation, evaluated in NumPy."""

import keras
import numpy as np
import pytest

from kerasfusion.fusion import ConcatFusion, FiLMFusion, GatedFusion, MultiplyFusion, SumFusion

TEXT = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], "float32")
IMAGE = np.array([[0.5, 1.5], [-1.0, 2.0]], "float32")
NUMBERS = np.array([[2.0], [-0.5]], "float32")


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def randomize(layer):
    """Random weights in the place of the initial ones (zero biases would hide a forgotten bias)."""
    random = np.random.default_rng(7)
    layer.set_weights([random.normal(size=w.shape).astype("float32") for w in layer.get_weights()])


def affine(dense, x):
    return x @ np.array(dense.kernel) + np.array(dense.bias)


def check(layer, inputs, expected, **call):
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(inputs, **call)), expected, rtol=1e-4, atol=1e-5)


def test_concat_with_literal_weights():
    layer = ConcatFusion(1)
    layer.build({"text": TEXT.shape, "image": IMAGE.shape})
    # Alphabetical: two places of the image first, then three of the text.
    layer.set_weights([np.array([[1.0], [10.0], [2.0], [0.0], [4.0]], "float32"), np.array([-3.0], "float32")])
    # 0.5 + 15 + 2 + 2 - 3 and -1 + 20 - 4 - 3
    check(layer, {"text": TEXT, "image": IMAGE}, [[16.5], [12.0]])
    check(layer, {"text": -TEXT, "image": -IMAGE}, [[0.0], [0.0]])


def test_concat_without_units_is_the_bare_concatenation():
    layer = ConcatFusion(None)
    check(layer, {"text": TEXT, "image": IMAGE}, [[0.5, 1.5, 1, -2, 0.5], [-1, 2, 0, 3, -1]])
    assert layer.weights == []


def test_what_is_missing_is_replaced_by_its_own_vector():
    layer = ConcatFusion(None)
    present = {"text": np.array([True, False]), "image": np.array([False, True])}
    layer.build({"text": TEXT.shape, "image": IMAGE.shape}, {"text": (2,), "image": (2,)})
    layer.missing["text"].assign([7.0, 8.0, 9.0])
    layer.missing["image"].assign([5.0, 6.0])
    check(layer, {"text": TEXT, "image": IMAGE}, [[5, 6, 1, -2, 0.5], [-1, 2, 7, 8, 9]], present=present)


@pytest.mark.parametrize(
    ("fusion", "function", "join"), [(SumFusion, relu, np.add), (MultiplyFusion, np.tanh, np.multiply)]
)
def test_elementwise(fusion, function, join):
    layer = fusion(4)
    layer.build({"text": TEXT.shape, "image": IMAGE.shape})
    randomize(layer)
    joined = join(function(affine(layer.inputs["text"], TEXT)), function(affine(layer.inputs["image"], IMAGE)))
    assert layer.projection.kernel.shape == (4, 4)
    check(layer, {"text": TEXT, "image": IMAGE}, affine(layer.projection, joined))


def test_gated_two_share_one_gate():
    layer = GatedFusion(4)
    layer.build({"text": TEXT.shape, "image": IMAGE.shape})
    randomize(layer)
    assert list(layer.gates) == ["image"] and len(layer.weights) == 6
    gate = sigmoid(affine(layer.gates["image"], np.concatenate([IMAGE, TEXT], axis=1)))
    first, second = (np.tanh(affine(layer.values[k], x)) for k, x in (("image", IMAGE), ("text", TEXT)))
    check(layer, {"text": TEXT, "image": IMAGE}, gate * first + (1 - gate) * second)


def test_gated_three_have_a_gate_each():
    inputs = {"text": TEXT, "numbers": NUMBERS, "image": IMAGE}
    layer = GatedFusion(4)
    layer.build({name: value.shape for name, value in inputs.items()})
    randomize(layer)
    joined = np.concatenate([IMAGE, NUMBERS, TEXT], axis=1)
    expected = sum(
        sigmoid(affine(layer.gates[name], joined)) * np.tanh(affine(layer.values[name], value))
        for name, value in inputs.items()
    )
    check(layer, inputs, expected)


def convolve(x, kernel):
    """A 'same' convolution with stride 1, place by place."""
    side = kernel.shape[0]
    padded = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)))
    out = np.zeros((*x.shape[:3], kernel.shape[-1]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j] = np.tensordot(padded[:, i : i + side, j : j + side], kernel, axes=3)
    return out


def film_in_numpy(layer, grid, condition):
    if layer.coordinates:
        rows, columns = np.array([-1.0, 1.0]), np.array([-1.0, 0.0, 1.0])  # a grid of 2 x 3 cells
        places = np.stack([np.repeat(rows[:, None], 3, axis=1), np.repeat(columns[None], 2, axis=0)], axis=-1)
        grid = np.concatenate([grid, np.repeat(places[None], len(grid), axis=0)], axis=-1)
    for block in layer.film_blocks:
        reduced = relu(grid @ np.array(block.reduce.kernel)[0, 0] + np.array(block.reduce.bias))
        normal = convolve(reduced, np.array(block.conv.kernel)) - np.array(block.norm.moving_mean)
        normal = normal / np.sqrt(np.array(block.norm.moving_variance) + 1e-3)
        gamma, beta = np.split(affine(block.film, condition)[:, None, None, :], 2, axis=-1)
        grid = reduced + relu((1 + gamma) * normal + beta)
    pooled = [grid.max(axis=(1, 2)), grid.sum(axis=(1, 2)) / np.sqrt(6), condition]
    return relu(affine(layer.projection, np.concatenate(pooled, axis=-1)))


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_film_in_inference(coordinates, kernel_size):
    random = np.random.default_rng(4)
    grid = random.normal(size=(2, 2, 3, 5)).astype("float32")
    layer = FiLMFusion(6, blocks=2, filters=4, kernel_size=kernel_size, coordinates=coordinates)
    inputs = {"text": {"pooled": TEXT}, "numbers": NUMBERS, "image": {"grid": grid, "pooled": IMAGE}}
    layer(inputs)
    randomize(layer)
    for block in layer.film_blocks:
        block.norm.moving_mean.assign(random.normal(size=4))
        block.norm.moving_variance.assign(random.uniform(0.5, 3.0, size=4))
    expected = film_in_numpy(layer, grid.astype("float64"), np.concatenate([NUMBERS, TEXT], axis=1))
    assert (expected > 0).any()
    check(layer, inputs, expected)


def test_film_needs_one_grid_and_something_to_steer_it():
    grid = {"grid": np.zeros((1, 2, 3, 5), "float32"), "pooled": np.zeros((1, 5), "float32")}
    with pytest.raises(ValueError, match="needs another modality"):
        FiLMFusion(6)({"image": grid})
    with pytest.raises(ValueError, match="when there are several"):
        FiLMFusion(6)({"front": grid, "back": grid})
    assert FiLMFusion(6, image="front")({"front": grid, "back": grid}).shape == (1, 6)
