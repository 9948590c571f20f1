"""Models for LiteRT: raw strings and images through a predictor, ids and pixels without TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from png import png_bytes

import kerasfusion as kf
from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import LiteModel, LitePredictor, exporting, lite_model, reference
from kerasfusion.serving.exporting import export_model

IMAGES = [png_bytes(seed) for seed in range(3)]
EXAMPLES = {"text": [b"a b", b"c", b"", b"b"], "image_bytes": [*IMAGES, b"no image"]}


def schema(length):
    return Schema(
        features=(
            Feature("text", "text", ("said",), length=length, vocabulary=("a", "b", "c")),
            Feature("image", "image", ("photo",), size=(16, 16)),
        ),
        tasks=(Task("label", "multiclass", "color", classes=("red", "green", "blue")),),
    )


@pytest.fixture(scope="module", params=[5, 34], ids=["unrolled", "loop"])
def version(request, tmp_path_factory):
    """A version with a LiteRT model; texts of 34 words are read in a loop."""
    pytest.importorskip("ai_edge_litert", reason="needs the extra [lite]")
    keras.utils.set_random_seed(0)
    image = {"name": "small_cnn", "filters": (8,)}
    model = kf.models.fusion_model(
        schema(request.param), text_encoder="gru", image_encoder=image, fusion="gated", units=32
    )
    base = tmp_path_factory.mktemp("lite")
    return export_model(model, schema(request.param), base, EXAMPLES, lite=True)


def test_the_predictor_answers_strings_and_images(version):
    predictor = LitePredictor(version)
    expected = reference.load_reference(version / reference.FILE)["serving_default"][1]
    found = predictor.run(EXAMPLES)
    assert sorted(found) == sorted(expected) == ["image_ok", "label", "probabilities"]
    assert found["image_ok"].tolist() == [True, True, True, False]
    assert found["probabilities"].dtype == np.float32
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=0, atol=0.02)
    decided = found["probabilities"].argmax(axis=1)
    assert found["label"].tolist() == [[b"red", b"green", b"blue"][i] for i in decided]


def test_batches_of_any_size_and_fewer_bytes(version):
    model = LiteModel(version / lite_model.FILE, threads=2)
    inputs, expected = reference.load_reference(version / reference.FILE)["tensors"]
    rows = np.array([2, 0, 1, 3, 0])
    found = model.run({name: inputs[name][rows] for name in model.inputs})
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"][rows], rtol=0, atol=0.02)
    one = model.run({name: inputs[name][:1] for name in model.inputs})
    np.testing.assert_allclose(one["probabilities"], found["probabilities"][1:2], rtol=0, atol=1e-6)
    assert set(one) == {"probabilities"}


def test_the_model_runs_without_tensorflow(version):
    code = (
        "import sys, numpy as np; from kerasfusion.serving import LiteModel\n"
        "model = LiteModel(sys.argv[1]); print(model.inputs); assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(version / lite_model.FILE)]
    root = str(Path(kf.__file__).parents[1])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['image', 'image_present', 'text', 'text_present']"


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else find(name))
    for call in (
        lambda: LiteModel("model.tflite"),
        lambda: LitePredictor(tmp_path),
        lambda: exporting.export_model(None, schema(5), tmp_path / "base", EXAMPLES, lite=True),
        lambda: kf.export(tmp_path, tmp_path / "base", lite=True),
    ):
        with pytest.raises(ImportError, match=r"pip install 'kerasfusion\[lite\]'"):
            call()
    assert not (tmp_path / "base").exists()


def test_a_version_without_one(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs the extra [lite]")
    with pytest.raises(FileNotFoundError, match=r"model_int8\.tflite"):
        LitePredictor(tmp_path)
