"""The client samples in saved_models/clients."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from toy_export import add_version

from kerasfusion.serving.http_server import RestServer
from kerasfusion.serving.model_manager import ModelManager

CLIENTS = Path(__file__).parents[2] / "saved_models" / "clients"


def load(name):
    spec = importlib.util.spec_from_file_location(name, CLIENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(tmp_path, toy_exports):
    add_version(toy_exports, tmp_path / "toy", 1)
    manager = ModelManager(tmp_path)
    manager.poll()
    with RestServer(manager, port=0) as server:
        yield server
    manager.close()


def test_rest_client(server, tmp_path, capsys):
    client = load("rest_client")
    rows = [{"text": "abc", "image_bytes": b"\x00\xff"}, {"text": "", "image_bytes": b""}]
    first, second = client.predict(server.url, "toy", rows)
    assert first == {"text": "abc", "image_bytes": {"b64": "AP8="}, "length": 6.0}
    assert second["length"] == 0.0
    assert client.predict(server.url, "toy", rows, version=1) == [first, second]
    with pytest.raises(ValueError, match="400: Unrecognized servable version label: stable"):
        client.predict(server.url, "toy", rows, label="stable")
    (tmp_path / "a.png").write_bytes(b"\x00\xff")
    client.main([str(tmp_path / "a.png"), "abc", "--url", server.url, "--model", "toy"])
    assert json.loads(capsys.readouterr().out) == first


@pytest.mark.serving_api
def test_grpc_client():
    # As far as it goes without a server: what would be sent, and a response made by hand.
    predict_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.predict_pb2",
        reason="needs `pip install --no-deps tensorflow-serving-api==2.21.0` and grpcio",
    )
    import tensorflow as tf

    client = load("grpc_client")
    image = b"\x89PNG\x00\xff\x00"
    request = client.make_request("toy", {"text": ["é"], "image_bytes": [image]}, label="stable")
    sent = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert (sent.model_spec.name, sent.model_spec.signature_name) == ("toy", "serving_default")
    assert sent.model_spec.version_label == "stable"
    assert not sent.model_spec.HasField("version")
    assert tf.make_ndarray(sent.inputs["text"]).tolist() == ["é".encode()]
    assert tf.make_ndarray(sent.inputs["image_bytes"]).tolist() == [image]
    assert client.make_request("toy", {}, version=3).model_spec.version.value == 3

    response = predict_pb2.PredictResponse()
    response.outputs["probabilities"].CopyFrom(tf.make_tensor_proto(np.float32([[0.25, 0.75]])))
    response.outputs["label"].CopyFrom(tf.make_tensor_proto([b"yes"]))
    outputs = client.read_response(response)
    assert outputs["probabilities"].tolist() == [[0.25, 0.75]]
    assert outputs["label"].tolist() == [b"yes"]
