"""The load test tells right answers from wrong ones; what it counts is worth no more than that."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def load():
    file = Path(__file__).parents[2] / "experiments" / "benchmarks" / "serving_load.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def case(load):
    rows = [
        {"label": b"yes", "probabilities": np.float32([0.25, 0.75]), "image_ok": np.bool_(True)},
        {"label": b"no", "probabilities": np.float32([0.5, 0.5]), "image_ok": np.bool_(False)},
    ]
    return load.Case("valid", b"", 200, rows)


def answer(**changes):
    first = {"label": "yes", "probabilities": [0.25, 0.750009], "image_ok": True, **changes}
    return json.dumps({"predictions": [first, {"label": "no", "probabilities": [0.5, 0.5], "image_ok": False}]})


def test_right(load, case):
    assert load.is_right(case, 200, answer())
    assert load.is_right(load.Case("malformed", b"", 400), 400, b'{"error": "why"}')


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "no"},
        {"probabilities": [0.25, 0.75002]},
        {"probabilities": [0.25]},
        {"probabilities": [float("nan"), 0.75]},
        {"image_ok": False},
        {"more": 1},
    ],
)
def test_wrong(load, case, changes):
    assert not load.is_right(case, 200, answer(**changes))


def test_wrong_status_and_rows(load, case):
    assert not load.is_right(case, 500, answer())
    first, second = json.loads(answer())["predictions"]
    assert not load.is_right(case, 200, json.dumps({"predictions": [second, first]}))
    assert not load.is_right(case, 200, json.dumps({"predictions": [first]}))
    assert not load.is_right(case, 200, b'{"error": "why"}')
    assert not load.is_right(load.Case("malformed", b"", 400), 200, b'{"error": "why"}')
    assert not load.is_right(load.Case("malformed", b"", 400), 400, b'{"error": ""}')
