import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kerasfusion as kf
from kerasfusion.presets import find_preset, read_preset
from kerasfusion.serving import reference
from kerasfusion.serving.model_config import read_models
from kerasfusion.serving.model_manager import ModelManager
from kerasfusion.serving.rest_api import answer

FOLDER = Path(__file__).parents[2] / "saved_models"
PRESETS = kf.list_presets()


def test_every_preset_is_served_and_every_served_model_is_a_preset():
    served = {path.parent.name for path in FOLDER.glob("*/README.md")}
    assert served == set(PRESETS) == {model.name for model in read_models(FOLDER)}


@pytest.mark.parametrize("name", PRESETS)
def test_cards_say_what_the_metadata_says(name):
    preset, card = read_preset(find_preset(name)), (FOLDER / name / "README.md").read_text(encoding="utf-8")
    for text in (preset["summary"], preset["data"], preset["license"], preset["command"], preset["limits"]):
        assert text in card
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", card.partition("## Metrics")[2], re.M))
    assert {metric["metric"]: f"{metric['value']:.4g}" for metric in preset["metrics"]}.items() <= rows.items()
    versions = {f"`{path.name}`" for path in (FOLDER / name).glob("[0-9]*")}
    assert f"| versions here | {', '.join(sorted(versions))} |" in card


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_says_what_the_metadata_says(name):
    preset = read_preset(find_preset(name))
    first = preset["metrics"][0]
    row = f"| [{name}]({name}/README.md) | {preset['summary']} | {first['metric']}: {first['value']:.4g} | 2"
    assert row in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_what_is_shipped_fits_its_limits():
    def size(folder):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    versions = [path for name in PRESETS for path in (FOLDER / name).glob("[0-9]*")]
    assert max(map(size, versions)) <= 4_500_000
    assert sum(map(size, versions)) + sum(size(find_preset(name)) for name in PRESETS) <= 60_000_000


@pytest.mark.slow
def test_the_stand_in_answers_every_signature_as_the_stored_reference():
    """All models in one server, as the requests on the cards ask them."""
    manager = ModelManager(FOLDER)
    manager.poll()
    assert {name for name in PRESETS if manager.available(name)} == set(PRESETS)
    try:
        for name in PRESETS:
            newest = max((FOLDER / name).glob("[0-9]*"), key=lambda path: int(path.name))
            for signature, (inputs, outputs) in reference.load_reference(newest / reference.FILE).items():
                columns = {key: encoded(key, np.asarray(value).tolist()) for key, value in inputs.items()}
                body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
                response = answer(manager, "POST", f"/v1/models/{name}:predict", body)
                found = json.loads(response.body)
                assert response.http_status == 200, (name, signature, found)
                found = found["outputs"] if len(outputs) > 1 else {next(iter(outputs)): found["outputs"]}
                for key, value in outputs.items():
                    if np.asarray(value).dtype.kind == "f":
                        np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-4, err_msg=f"{name} {key}")
                    elif np.asarray(value).dtype.kind in "bi":
                        assert np.array_equal(found[key], value), (name, signature, key)
    finally:
        manager.close()


def encoded(name, value):
    if isinstance(value, list):
        return [encoded(name, item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


@pytest.mark.slow
def test_all_are_verified():
    subprocess.run([sys.executable, str(FOLDER / "build.py"), "--check"], check=True)
