"""What the comparisons of fusions with their equations share: inputs, and the parts of equations in NumPy."""

import math

import keras
import numpy as np

TEXT = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], "float32")
IMAGE = np.array([[0.5, 1.5], [-1.0, 2.0]], "float32")
NUMBERS = np.array([[2.0], [-0.5]], "float32")


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(norm, x):
    normal = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return normal * np.array(norm.gamma) + np.array(norm.beta)


def affine(dense, x):
    return x @ np.array(dense.kernel) + (np.array(dense.bias) if dense.use_bias else 0)


def signed_root_norm(x):
    rooted = np.sign(x) * np.sqrt(np.abs(x))
    return rooted / np.linalg.norm(rooted, axis=-1, keepdims=True)


def randomize(layer, scale=1.0):
    """Random weights in the place of the initial ones (zero biases would hide a forgotten bias)."""
    random = np.random.default_rng(7)
    layer.set_weights([scale * random.normal(size=w.shape).astype("float32") for w in layer.get_weights()])


def check(layer, inputs, expected, **call):
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(inputs, **call)), expected, rtol=1e-4, atol=1e-5)
