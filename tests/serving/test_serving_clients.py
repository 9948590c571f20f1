"""The client in saved_models/clients."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from toy_export import add_version

from kerasfusion.serving.http_server import RestServer
from kerasfusion.serving.model_manager import ModelManager

CLIENTS = Path(__file__).parents[2] / "saved_models" / "clients"


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("client", CLIENTS / "client.py")
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


def test_rest(client, server, tmp_path, capsys):
    rows = [{"text": "abc", "image_bytes": b"\x00\xff"}, {"text": "", "image_bytes": b""}]
    first, second = client.predict(server.url, "toy", rows)
    assert first == {"text": "abc", "image_bytes": {"b64": "AP8="}, "length": 6.0}
    assert second["length"] == 0.0
    assert client.predict(server.url, "toy", rows, version=1) == [first, second]
    with pytest.raises(ValueError, match="400: Unrecognized servable version label: stable"):
        client.predict(server.url, "toy", rows, label="stable")
    (tmp_path / "a.png").write_bytes(b"\x00\xff")
    client.main(["toy", "text=abc", f"image_bytes=@{tmp_path / 'a.png'}", "--url", server.url])
    assert json.loads(capsys.readouterr().out) == first


def test_the_server_and_the_reader_of_inputs_say_what_is_wrong(client, server, capsys):
    for arguments, message in (
        (["toy", "text=abc", "--signature", "search"], '400: Serving signature name: "search" not found'),
        (["toy", "abc"], "'abc' is no input: write name=text, name=@file or name:=json"),
        (["toy", "image_bytes=@missing.png"], "missing.png"),
    ):
        with pytest.raises(SystemExit) as ended:
            client.main([*arguments, "--url", server.url])
        assert ended.value.code == 1
        assert message in capsys.readouterr().err


def test_inputs_are_text_files_or_json(client, tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(name.encode())
    assert client.parse_input("text=a=b") == ("text", "a=b")
    assert client.parse_input("share:=0.15") == ("share", 0.15)
    assert client.parse_input(f"image_bytes=@{tmp_path}/1.png") == ("image_bytes", b"1.png")
    assert client.parse_input(f"video_bytes=@{tmp_path}/1.png,@{tmp_path}/2.png") == (
        "video_bytes",
        [b"1.png", b"2.png"],
    )


@pytest.mark.serving_api
def test_grpc(client):
    # As far as it goes without a server: what would be sent, and a response made by hand.
    predict_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.predict_pb2",
        reason="needs `pip install --no-deps tensorflow-serving-api==2.21.0` and grpcio",
    )
    import tensorflow as tf

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
