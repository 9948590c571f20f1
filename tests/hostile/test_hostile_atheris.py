"""The fuzz targets, for a minute: `pytest -m atheris` (pip install atheris)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import test_hostile_images

FOLDER = Path(__file__).parent
REQUESTS = [
    {"instances": [{"image_bytes": {"b64": "aGk="}, "text": "a", "numbers": [1, 2.5], "count": 3, "flag": True}]},
    {"inputs": {"image_bytes": [{"b64": ""}], "text": ["é"], "numbers": [[0, -1]], "count": [0], "flag": [False]}},
    {"signature_name": "x", "instances": [[1]]},
]
CORPORA = {"image": test_hostile_images.SEEDS, "request": [json.dumps(request).encode() for request in REQUESTS]}


@pytest.mark.atheris
@pytest.mark.parametrize(("target", "runs"), [("image", 10_000), ("request", 200_000)])
def test_no_input_is_found_that_fails(target, runs, tmp_path):
    pytest.importorskip("atheris")
    for number, data in enumerate(CORPORA[target]):
        (tmp_path / str(number)).write_bytes(data)
    paths = os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, FOLDER / "fuzz_images.py", target, f"-runs={runs}", "-max_len=4096", tmp_path]
    ran = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-5000:]
