"""What the package takes from Keras in private, in the Keras that is installed.

The oldest Keras that pyproject.toml admits gets an environment of its own:

    python -m venv oldest && oldest/bin/pip install ".[test]" keras==3.15.1
    oldest/bin/python -m pytest -n 0 -m oldest_keras tests/test_keras_compat.py
"""

import pathlib
import re

import keras
import numpy as np
import pytest

import kerasfusion
from kerasfusion import keras_compat

ROOT = pathlib.Path(kerasfusion.__file__).parent
PRIVATE = re.compile(
    r"_nodes_by_depth|_keras_history|_inbound_nodes|_loss_tracker|_maybe_symbolic_build|\b_tracker\b|_flatten_layers"
)


def test_one_file_names_private_attributes_of_keras():
    files = [path for path in ROOT.rglob("*.py") if PRIVATE.search(path.read_text(encoding="utf-8"))]
    assert [path.name for path in files] == ["keras_compat.py"]


@pytest.mark.oldest_keras
def test_this_is_the_oldest_keras_that_is_admitted(request):
    text = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'"keras>=([\d.]+)', text)[1]
    if request.config.option.markexpr != "oldest_keras" and keras.__version__ != oldest:
        pytest.skip(f"Keras {keras.__version__} is installed, and {oldest} is the oldest")
    assert keras.__version__ == oldest, f"run this in an environment with keras=={oldest}, see above"


@pytest.mark.oldest_keras
def test_the_loss_of_an_own_step_is_logged_as_kerass():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            keras_compat.log_loss(self, np.float32(2.5), 4)
            return self.compute_metrics(*data, self(data[0]))

    model = Own()
    model.compile("sgd", "mse")
    history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0).history
    assert history["loss"] == [2.5]


@pytest.mark.oldest_keras
def test_a_built_layer_gets_a_sublayer():
    class Outer(keras.layers.Layer):
        def build(self, shape):
            self.first = keras.layers.Dense(2)
            self.first.build(shape)

        def call(self, x):
            return self.first(x)

    layer = Outer()
    layer(np.ones((1, 3)))
    with pytest.raises(ValueError, match="cannot add"):
        layer.second = keras.layers.Dense(2)
    with keras_compat.adding_sublayers(layer):
        layer.third = keras.layers.Dense(2)
        layer.third.build((None, 2))
    assert len(layer.weights) == 4
    assert {type(inner).__name__ for inner in keras_compat.flatten_layers(layer)} == {"Outer", "Dense"}


@pytest.mark.oldest_keras
def test_a_model_says_by_which_batch_shapes_are_learned():
    class Model(keras_compat.SymbolicBuildMixin, keras.Model):
        asked = 0

        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def example_batch(self, iterator):
            self.asked += 1
            return np.ones((1, 2), "float32"), np.ones((1, 1), "float32"), None

    model = Model()
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert model.asked == 1 and model.dense.built
