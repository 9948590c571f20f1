"""Each fusion against its equation, evaluated in NumPy."""

import numpy as np
import pytest

from kerasfusion.fusion import ConcatFusion, FiLMFusion, GatedFusion, MultiplyFusion, SumFusion

RANDOM = np.random.default_rng(1)
T, V, N = (RANDOM.normal(size=(4, width)).astype("float32") for width in (3, 5, 2))


def weights(layer):
    """Random values for every weight, biases too; returned by path below the layer."""
    random = np.random.default_rng(2)
    for weight in layer.weights:
        value = random.normal(size=weight.shape)
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.path else value)
    return {weight.path.split("/", 1)[1]: np.array(weight) for weight in layer.weights}


def dense(w, name, x):
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def check(layer, given, equation):
    layer(given)
    np.testing.assert_allclose(layer(given), equation(weights(layer)), rtol=1e-4, atol=1e-4)


def test_concat():
    joined = np.concatenate([V, T], axis=1)  # alphabetical: image, text
    check(ConcatFusion(6, name="f"), {"text": T, "image": V}, lambda w: relu(dense(w, "projection", joined)))
    np.testing.assert_array_equal(ConcatFusion(None)({"text": T, "image": V}), joined)


@pytest.mark.parametrize(
    ("layer", "phi", "join"), [(SumFusion, relu, np.add), (MultiplyFusion, np.tanh, np.multiply)]
)
def test_elementwise(layer, phi, join):
    def equation(w):
        return dense(w, "projection", join(phi(dense(w, "in_text", T)), phi(dense(w, "in_image", V))))

    check(layer(6, name="f"), {"text": T, "image": V}, equation)


def test_gated_two_share_a_gate():
    def equation(w):
        g = sigmoid(dense(w, "gate_image", np.concatenate([V, T], axis=1)))
        return g * np.tanh(dense(w, "value_image", V)) + (1 - g) * np.tanh(dense(w, "value_text", T))

    check(GatedFusion(6, name="f"), {"text": T, "image": V}, equation)


def test_gated_three_have_a_gate_each():
    given = {"text": T, "image": V, "numbers": N}
    joined = np.concatenate([V, N, T], axis=1)

    def equation(w):
        return sum(sigmoid(dense(w, f"gate_{m}", joined)) * np.tanh(dense(w, f"value_{m}", given[m])) for m in given)

    check(GatedFusion(6, name="f"), given, equation)


@pytest.mark.parametrize("coordinates", [False, True])
def test_film(coordinates):
    grid = RANDOM.normal(size=(4, 2, 3, 5)).astype("float32")

    def equation(w):
        x = grid
        if coordinates:
            places = np.array([[[r, c] for c in (-1, 0, 1)] for r in (-1, 1)], "float32")
            x = np.concatenate([grid, np.broadcast_to(places, (4, 2, 3, 2))], axis=-1)
        for block in ("block_0", "block_1"):
            reduced = relu(x @ w[f"{block}/reduce/kernel"][0, 0] + w[f"{block}/reduce/bias"])
            conv = reduced @ w[f"{block}/conv/kernel"][0, 0]
            mean, variance = w[f"{block}/norm/moving_mean"], w[f"{block}/norm/moving_variance"]
            normal = (conv - mean) / np.sqrt(variance + 1e-3)
            gamma, beta = np.split(dense(w, f"{block}/film", T)[:, None, None], 2, axis=-1)
            x = reduced + relu((1 + gamma) * normal + beta)
        pooled = np.concatenate([x.max((1, 2)), x.mean((1, 2)) * np.sqrt(6), T], axis=1)
        return relu(dense(w, "projection", pooled))

    layer = FiLMFusion(6, blocks=2, filters=4, kernel_size=1, coordinates=coordinates, name="f")
    check(layer, {"text": T, "image": {"grid": grid, "pooled": V}}, equation)


def test_film_needs_a_grid_and_something_to_steer_it():
    with pytest.raises(ValueError, match="steers one image grid"):
        FiLMFusion(4)({"text": T, "image": V})
    with pytest.raises(ValueError, match="needs another modality"):
        FiLMFusion(4)({"image": {"grid": np.zeros((4, 2, 2, 3), "float32")}})
