"""The neutral floor on Keras's JAX backend: `KERAS_BACKEND=jax python -m pytest -m jax` (extra [jax])."""

import os
import subprocess
import sys
from pathlib import Path

import backend_cases
import keras
import numpy as np
import pytest

import kerasfusion as kf

pytestmark = pytest.mark.jax
# Their loss in training depends on random numbers, which differ between backends.
RANDOM = {"layer GaussianLatent", "layer TokenDropout"}


@pytest.fixture(autouse=True)
def on_jax():
    assert keras.backend.backend() == "jax", "run with KERAS_BACKEND=jax"


@pytest.fixture(scope="module")
def on_tensorflow(tmp_path_factory):
    """Outputs and losses of all cases on TensorFlow, computed in another process."""
    path = tmp_path_factory.mktemp("tensorflow") / "outputs.npz"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = Path(kf.__file__).parents[1]
    environment["PYTHONPATH"] = os.pathsep.join([str(root), environment.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, backend_cases.__file__, str(path)], check=True, env=environment, timeout=1800)
    return np.load(path)


@pytest.mark.parametrize("name", sorted(backend_cases.CASES))
def test_outputs_agree_with_tensorflow_and_a_step_trains(name, on_tensorflow):
    made = backend_cases.CASES[name]()
    weights = made[0].trainable_weights
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in weights]
    predicted, loss = backend_cases.run(made)
    expected = on_tensorflow[f"{name}/output"]
    np.testing.assert_allclose(predicted, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))
    if name not in RANDOM:
        np.testing.assert_allclose(loss, on_tensorflow[f"{name}/loss"], rtol=1e-3, atol=1e-5)
    after = [keras.ops.convert_to_numpy(weight) for weight in weights]
    assert np.isfinite(loss) and all(np.isfinite(weight).all() for weight in after)
    assert any((one != other).any() for one, other in zip(before, after, strict=True))


def test_every_registered_name_is_covered():
    """A new fusion, encoder, decoder, head, loss, metric or layer is tested here too."""
    tested = " ".join(backend_cases.CASES)
    for module in (kf.heads, kf.losses, kf.metrics, kf.layers):
        skipped = {"Head", "FrozenModel", "build_head"}
        assert [name for name in module.__all__ if name not in skipped and name not in tested] == []
