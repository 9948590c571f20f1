"""Every variant of an export answers like Keras, is as small as it says, and appears whole or not at all."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from png import png_bytes

from kerasfusion.schema import Feature, Schema, Task
from kerasfusion.serving import (
    CApiSession,
    OnnxModel,
    exporting,
    lite_model,
    onnx_export,
    onnx_model,
    reference,
    verify,
)
from kerasfusion.serving.exporting import export_model
from kerasfusion.serving.lite_model import installed
from kerasfusion.serving.metadata import read_metadata
from kerasfusion.serving.verify_forms import NETWORK, check_forms
from kerasfusion.serving.verify_worker import Failure, Report, SignatureChecks, card_of, check_size

SCHEMA = Schema(
    features=(
        # More words than are unrolled: the graph has a loop.
        Feature("text", "text", ("description",), length=36, vocabulary=tuple(f"w{i}" for i in range(3000))),
        Feature("image", "image", ("photo",), size=(16, 16)),
    ),
    tasks=(
        Task("color", "multiclass", "color", classes=("red", "green", "blue")),
        Task("tags", "multilabel", "tags", classes=("warm", "cold")),
        Task("price", "regression", "price", mean=50.0, std=20.0),
    ),
)
EXAMPLES = {
    "text": [b"w1 w2 w3", b"w4 unheard-of", b"", b"w2999 " * 50],
    "image_bytes": [png_bytes(seed) for seed in range(3)] + [b""],
}
VARIANTS = {"variables": 1e-5, "frozen": 1e-5, "bfloat16": 2e-2}


def small_model():
    import keras

    import kerasfusion as kf

    keras.utils.set_random_seed(3)
    return kf.models.fusion_model(
        SCHEMA,
        text_encoder={"name": "lstm", "embedding_dim": 32},
        image_encoder={"name": "residual_cnn", "filters": (8, 16)},
        fusion={"name": "film", "filters": 8, "num_blocks": 1},
        units=16,
    )


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A model and its versions: variant -> folder."""
    base = tmp_path_factory.mktemp("exports") / "pets"
    model = small_model()
    with_lite = ("bfloat16",) if installed() else ()
    versions = {
        v: export_model(model, SCHEMA, base, EXAMPLES, v, lite=v in with_lite, network=v == "frozen")
        for v in VARIANTS
    }
    assert sorted(path.name for path in base.iterdir()) == ["1", "2", "3"]
    return model, versions


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_verified_and_answers_like_keras(exports, variant):
    model, versions = exports
    # Plain exports are verified by the tests of the command line.
    if variant != "variables":
        report = verify(versions[variant])
        assert report.ok, str(report)
        # The row of errors that TensorFlow logs about the graph.
        assert "log" not in [row.name for row in report.rows], str(report)
        assert ("LiteRT" in [row.name for row in report.rows]) == (variant == "bfloat16" and installed())
        assert ("network" in [row.name for row in report.rows]) == (variant == "frozen")
    records = reference.load_reference(versions[variant] / reference.FILE)
    assert set(records) == {"serving_default", "tensors", "embed"}
    inputs, expected = records["tensors"]
    # The stored answers are those of the model itself, not of what was frozen.
    logits = model.predict_on_batch(inputs)
    probabilities = np.exp(logits["color"]) / np.exp(logits["color"]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected["color_probabilities"], probabilities, rtol=0, atol=1e-6)
    with CApiSession(versions[variant]) as session:
        found = session.run("serving_default", records["serving_default"][0])
    assert found["image_ok"].tolist() == [True, True, True, False]
    gap = {}
    for name, value in records["serving_default"][1].items():
        if value.dtype.kind == "f":
            assert found[name].dtype == np.float32
            gap[name] = np.abs(found[name] - value).max()
    assert max(gap["color_probabilities"], gap["tags_probabilities"]) <= VARIANTS[variant]
    assert gap["price"] <= VARIANTS[variant] * 60
    # Rounding is seen, so it is bfloat16 that was tested.
    assert (max(gap.values()) > 1e-4) == (variant == "bfloat16")


def test_sizes_and_cards(exports):
    model, versions = exports
    weights = 4 * model.count_params()
    graph = {variant: (version / "saved_model.pb").stat().st_size for variant, version in versions.items()}
    variables = {v: sum(p.stat().st_size for p in (f / "variables").iterdir()) for v, f in versions.items()}
    assert variables["variables"] >= weights
    assert variables["frozen"] < 2000 and variables["bfloat16"] < 2000
    assert graph["frozen"] >= weights
    # All but the small constants shrink to half.
    assert graph["frozen"] - graph["bfloat16"] > 0.45 * weights
    cards = {variant: read_metadata(version) for variant, version in versions.items()}
    assert {v: (c["variant"], c["tolerance"]) for v, c in cards.items()} == {v: (v, t) for v, t in VARIANTS.items()}
    assert [cards[v]["constant_bytes"] / weights for v in VARIANTS] == [0, 1, 0.5]
    assert cards["frozen"]["types"] == {"color": "multiclass", "tags": "multilabel", "price": "regression"}
    assert "lite" not in cards["frozen"]


def test_a_frozen_graph_holds_no_variables(exports):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    def operations(variant):
        content = SavedModel.FromString((exports[1][variant] / "saved_model.pb").read_bytes())
        graph = content.meta_graphs[0].graph_def
        return {node.op for part in (graph.node, *(f.node_def for f in graph.library.function)) for node in part}

    assert {"VarHandleOp", "ReadVariableOp"} <= operations("variables")
    assert not {"VarHandleOp", "ReadVariableOp"} & (operations("frozen") | operations("bfloat16"))


def test_weights_that_no_card_speaks_of_are_too_many(exports):
    version = exports[1]["frozen"]
    card = card_of(version)
    assert "MB, at most" in check_size(version, card)
    with pytest.raises(Failure, match=r"at most 0\.6"):
        check_size(version, {**card, "constant_bytes": 0})


def test_a_deep_network_may_have_a_larger_graph(exports):
    version = exports[1]["variables"]
    card = card_of(version)
    assert card["variables"] > 0 and "+ 0.6)" in check_size(version, {**card, "variables": 32})
    assert "+ 0.8)" in check_size(version, {**card, "variables": 32, "features": {"clip": "video"}})
    assert "+ 0.8)" in check_size(version, {**card, "variables": 32, "features": {"sound": "signal"}})
    assert "+ 1.2)" in check_size(version, {**card, "variables": 132})
    assert "+ 1.8)" in check_size(version, {**card, "variables": 132}, signatures=8)


def test_an_unknown_variant(tmp_path):
    with pytest.raises(ValueError, match=r"no variant 'half'; choose one of variables, frozen, bfloat16"):
        export_model(None, SCHEMA, tmp_path, EXAMPLES, "half")


TEXT = Schema((Feature("text", "text", ("said",), length=4, vocabulary=("a", "b")),), (SCHEMA.tasks[0],))


def text_model():
    import kerasfusion as kf

    return kf.models.fusion_model(TEXT, text_encoder="bag_of_words", units=4)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (exporting.reference, "save_reference"),
        (exporting.warmup, "write_warmup"),
        (exporting, "write_lite"),
        (exporting, "write_metadata"),
        (exporting.os, "replace"),
    ],
)
def test_a_full_disk_leaves_no_version(tmp_path, monkeypatch, module, function):
    monkeypatch.setattr(exporting, "require_runtime", lambda: None)
    monkeypatch.setattr(exporting, "write_lite", lambda *_: {})
    monkeypatch.setattr(module, function, no_space)
    with pytest.raises(OSError, match="No space left"):
        export_model(text_model(), TEXT, tmp_path / "base", {"text": [b"a", b"b"]}, "frozen", lite=True)
    assert list((tmp_path / "base").iterdir()) == []


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from kerasfusion.serving import exporting
from test_serving_exporting import TEXT, text_model
exporting.write_metadata = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
exporting.export_model(text_model(), TEXT, sys.argv[1], {"text": [b"a", b"b"]})
"""


def test_a_killed_export_leaves_nothing_that_tf_serving_would_load(tmp_path):
    tests = Path(__file__).parent
    command = [sys.executable, "-c", KILLED, str(tmp_path / "base"), str(tests)]
    environment = {**os.environ, "PYTHONPATH": str(tests.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    left, _ = sorted((tmp_path / "base").iterdir())  # and its lock
    assert left.name.startswith(".tmp-") and (left / "saved_model.pb").exists()
    # The next export removes what the killed one left.
    assert export_model(text_model(), TEXT, tmp_path / "base", {"text": [b"a", b"b"]}).name == "1"
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["1"]


def test_another_export_took_the_number(tmp_path, monkeypatch):
    base = tmp_path / "base"
    replace = os.replace

    def taken_first(source, target):
        if Path(target).name == "1":
            Path(target).mkdir()
            (Path(target) / "saved_model.pb").touch()
        replace(source, target)

    monkeypatch.setattr(exporting.os, "replace", taken_first)
    assert export_model(text_model(), TEXT, base, {"text": [b"a", b"b"]}).name == "2"
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]


def test_a_card_that_promises_too_much_is_found_out(exports):
    version = exports[1]["bfloat16"]
    records = reference.load_reference(version / reference.FILE)
    card = card_of(version)
    with CApiSession(version) as session:
        assert "within 0.02" in SignatureChecks(session, "tensors", *records["tensors"], card).outputs()
        with pytest.raises(Failure, match="values differ"):
            SignatureChecks(session, "tensors", *records["tensors"], card_of(version, 1e-6)).outputs()


def form_row(version, card):
    """The one row of an export's other forms: name, whether it passed, detail."""
    stream = io.StringIO()
    check_forms(Report(stream), version, card, reference.load_reference(version / reference.FILE))
    (row,) = [message["row"] for message in map(json.loads, stream.getvalue().splitlines()) if "row" in message]
    return row


@pytest.mark.skipif(not installed(), reason="needs the extra [lite]")
def test_the_lite_model_is_compared_with_keras(exports):
    version = exports[1]["bfloat16"]
    card = card_of(version)
    assert set(card["lite"]) == {"file", "bytes", "tolerance"}
    name, ok, detail = form_row(version, card)
    assert (name, ok) == ("LiteRT", True) and "4 rows within 0.1" in detail
    card["lite"]["tolerance"] = 1e-6
    _, ok, detail = form_row(version, card)
    assert ok is False and "values differ" in detail


@pytest.mark.parametrize(("form", "file"), [("lite", "model_int8.tflite"), ("onnx", "model.onnx")])
def test_another_form_that_is_missing(exports, form, file, monkeypatch):
    for module in (lite_model, onnx_model):
        monkeypatch.setattr(module, "installed", lambda: True)
    _, ok, detail = form_row(exports[1]["frozen"], {form: {"tolerance": 0.1}})
    assert ok is False and detail == f"assets.extra/{file} is missing"


@pytest.mark.parametrize("form", ["lite", "onnx"])
def test_another_form_without_its_runtime_is_not_checked(exports, form, monkeypatch):
    for module in (lite_model, onnx_model):
        monkeypatch.setattr(module, "installed", lambda: False)
    _, ok, detail = form_row(exports[1]["frozen"], {form: {"tolerance": 0.1}})
    assert ok is None and detail.startswith("not checked: ") and f"[{form}]" in detail


def test_onnx_without_its_packages_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export.importlib.util, "find_spec", lambda name: name == "onnx" or None)
    with pytest.raises(ImportError, match=r"ONNX needs onnxruntime, tf2onnx: pip install 'kerasfusion\[onnx\]'"):
        export_model(None, SCHEMA, tmp_path / "new", EXAMPLES, onnx=True)
    assert not (tmp_path / "new").exists()


def test_the_network_alone_is_a_savedmodel_with_the_same_numbers(exports, tmp_path):
    version = shutil.copytree(exports[1]["frozen"], tmp_path / "1")
    inputs, expected = reference.load_reference(version / reference.FILE)["tensors"]
    with CApiSession(version / NETWORK) as session:
        assert list(session.signatures) == ["serving_default"]
        found = session.run("serving_default", inputs)
    # Names of classes and tags are strings, which other runtimes lack.
    assert set(expected) - set(found) == {"color", "tags"}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)
    card = card_of(version)
    assert card["network"] == {"folder": "assets.extra/network", "tolerance": 1e-5}
    assert form_row(version, card) == ["network", True, "4 rows within 1e-05"]
    # TF Serving does not read it: what an export may weigh is without it.
    with_network = check_size(version, card)
    shutil.rmtree(version / NETWORK)
    assert check_size(version, card) == with_network
    _, ok, detail = form_row(version, card)
    assert ok is False and "network" in detail


def exported_with(tmp_path, **forms):
    version = export_model(small_model(), SCHEMA, tmp_path, EXAMPLES, **forms)
    report = verify(version)
    assert report.ok, str(report)
    return version, *reference.load_reference(version / reference.FILE)["tensors"], report


@pytest.mark.onnx
def test_the_onnx_model_answers_like_keras(tmp_path, monkeypatch):
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package, reason="needs the extra [onnx]")
    version, inputs, expected, report = exported_with(tmp_path, onnx=True)
    assert [row.ok for row in report.rows if row.name == "ONNX"] == [True]
    model = OnnxModel(version / onnx_model.FILE, threads=2)
    assert model.inputs == sorted(inputs)
    rows = np.array([2, 0, 1, 3, 0])
    found = model.run({name: inputs[name][rows] for name in model.inputs})
    assert set(expected) - set(found) == {"color", "tags"}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name][rows], rtol=1e-4, atol=1e-4)
    # A model that answers otherwise is not written, and neither is the version.
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match=r"The ONNX model does not answer as Keras does: .* values differ"):
        export_model(small_model(), SCHEMA, tmp_path, EXAMPLES, onnx=True)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


@pytest.mark.openvino
def test_openvino_reads_the_network_and_answers_like_keras(tmp_path):
    openvino = pytest.importorskip("openvino", reason="needs OpenVINO")
    version, inputs, expected, _ = exported_with(tmp_path, network=True)
    # By default it computes in bfloat16 on processors that have it.
    float32 = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.compile_model(openvino.convert_model(str(version / NETWORK)), "CPU", float32)
    for rows in ([0], [2, 0, 1, 3, 0]):
        answers = model({name: inputs[name][rows] for name in inputs})
        found = {next(iter(output.names)): value for output, value in answers.items()}
        assert set(expected) - set(found) == {"color", "tags"}
        for name, value in found.items():
            np.testing.assert_allclose(value, expected[name][rows], rtol=1e-4, atol=1e-4)
