"""Each fusion that reads an image grid against its docstring's equation, evaluated in NumPy."""

import numpy as np
import pytest
from in_numpy import IMAGE, NUMBERS, TEXT, affine, check, randomize, relu

from kerasfusion.fusion import FiLMFusion, RelationFusion


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
    layer = FiLMFusion(6, num_blocks=2, filters=4, kernel_size=kernel_size, coordinates=coordinates)
    inputs = {"text": {"pooled": TEXT}, "numbers": NUMBERS, "image": {"grid": grid, "pooled": IMAGE}}
    layer(inputs)
    randomize(layer)
    for block in layer.film_blocks:
        block.norm.moving_mean.assign(random.normal(size=4))
        block.norm.moving_variance.assign(random.uniform(0.5, 3.0, size=4))
    expected = film_in_numpy(layer, grid.astype("float64"), np.concatenate([NUMBERS, TEXT], axis=1))
    assert (expected > 0).any()
    check(layer, inputs, expected)


def test_relation_pair_by_pair():
    random = np.random.default_rng(4)
    grid = random.normal(size=(2, 2, 3, 5)).astype("float32")
    inputs = {"text": {"pooled": TEXT}, "numbers": NUMBERS, "image": {"grid": grid, "pooled": IMAGE}}
    layer = RelationFusion(4, pair_hidden=(5, 6, 7), output_hidden=(8,))
    layer(inputs)
    randomize(layer, scale=0.3)
    # The matrix that the first layer of g has on [o_i; o_j; t].
    first = np.concatenate([np.array(part.kernel) for part in (layer.left, layer.right, layer.question)])
    question = np.concatenate([NUMBERS, TEXT], axis=1)
    expected = []
    for row in range(2):
        objects = [[*grid[row, i, j], (-1, 1)[i], (-1, 0, 1)[j]] for i in range(2) for j in range(3)]
        found = 0
        for one in objects:
            for other in objects:
                pair = relu(np.concatenate([one, other, question[row]]) @ first + np.array(layer.question.bias))
                for dense in layer.pair_layers:
                    pair = relu(affine(dense, pair))
                found = found + pair / 6
        for dense in layer.output_layers:
            found = relu(affine(dense, found))
        expected.append(found)
    assert len(layer.pair_layers) == 2 and len(layer.output_layers) == 2 and np.max(expected) > 0
    check(layer, inputs, expected)


@pytest.mark.parametrize("fusion", [FiLMFusion, RelationFusion])
def test_one_grid_and_something_to_steer_it_are_needed(fusion):
    grid = {"grid": np.zeros((1, 2, 3, 5), "float32"), "pooled": np.zeros((1, 5), "float32")}
    with pytest.raises(ValueError, match="needs another modality"):
        fusion(6)({"image": grid})
    with pytest.raises(ValueError, match="when there are several"):
        fusion(6)({"front": grid, "back": grid})
    assert fusion(6, image="front")({"front": grid, "back": grid}).shape == (1, 6)
