import json

import pytest
from toy_export import add_version

from kerasfusion.serving.model_manager import ModelManager
from kerasfusion.serving.rest_api import answer

CONFIG = """model_config_list { config { name: 'toy' base_path: '/models/toy' model_platform: 'tensorflow'
model_version_policy { all {} } version_labels { key: 'stable' value: 1 }
version_labels { key: 'gone' value: 9 } } }"""


@pytest.fixture(scope="module")
def manager(tmp_path_factory, toy_exports):
    folder = tmp_path_factory.mktemp("models")
    add_version(toy_exports, folder / "toy", 1, factor=2)
    add_version(toy_exports, folder / "toy", 2, factor=3)
    (folder / "models.config").write_text(CONFIG)
    manager = ModelManager(folder)
    manager.poll()
    yield manager
    manager.close()


@pytest.fixture
def ask(manager):
    """`ask(path, body=None)`: status and JSON of a POST with a body, or of a GET without one."""

    def call(path, body=None, method=None):
        content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        got = answer(manager, method or ("GET" if body is None else "POST"), path, content)
        return got.http_status, json.loads(got.body)

    return call


def status(number, state="AVAILABLE"):
    return {"version": str(number), "state": state, "status": {"error_code": "OK", "error_message": ""}}


def test_status(ask):
    assert ask("/v1/models/toy") == (200, {"model_version_status": [status(2), status(1)]})
    assert ask("/v1/models/toy/versions/1") == (200, {"model_version_status": [status(1)]})
    # TF Serving does not look at the label.
    assert ask("/V1/Models/toy/labels/stable") == ask("/v1/models/toy")


def test_status_of_a_broken_version(tmp_path, toy_exports):
    add_version(toy_exports, tmp_path / "toy", 1)
    (tmp_path / "toy" / "2").mkdir()
    (tmp_path / "toy" / "2" / "saved_model.pb").write_bytes(b"broken")
    manager = ModelManager(tmp_path)
    manager.poll()
    (tmp_path / "toy" / "2" / "saved_model.pb").unlink()
    manager.poll()
    got = answer(manager, "GET", "/v1/models/toy", b"")
    second, first = json.loads(got.body)["model_version_status"]
    assert first == status(1)
    assert (second["version"], second["state"]) == ("2", "END")
    assert second["status"] == {"error_code": "OUT_OF_RANGE", "error_message": "Read less bytes than requested"}
    manager.close()


@pytest.mark.serving_api
def test_status_is_what_tf_serving_makes_of_its_message(ask):
    status_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.get_model_status_pb2",
        reason="needs `pip install --no-deps tensorflow-serving-api==2.21.0`",
    )
    from google.protobuf import json_format

    ours = ask("/v1/models/toy")[1]
    message = json_format.ParseDict(ours, status_pb2.GetModelStatusResponse())
    assert [version.version for version in message.model_version_status] == [2, 1]
    assert json_format.MessageToDict(message, always_print_fields_with_no_presence=True) == ours


def test_metadata(ask, manager):
    code, metadata = ask("/v1/models/toy/metadata")
    assert (code, metadata["model_spec"]) == (200, {"name": "toy", "signature_name": "", "version": "2"})
    assert ask("/v1/models/toy/labels/stable/metadata")[1]["model_spec"]["version"] == "1"
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    x = signatures["times"]["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
        "unknown_rank": False,
    }
    assert signatures["serving_default"]["inputs"]["text"]["dtype"] == "DT_STRING"


def test_metadata_is_what_protobuf_makes_of_the_file(ask, manager):
    from google.protobuf import json_format
    from tensorflow.core.protobuf import saved_model_pb2

    path = manager.available("toy")[0].path / "saved_model.pb"
    signatures = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0].signature_def
    expected = {
        name: json_format.MessageToDict(
            signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, signature in signatures.items()
    }
    assert ask("/v1/models/toy/metadata")[1]["metadata"]["signature_def"]["signature_def"] == expected


def test_predict(ask):
    row = {"text": "four", "image_bytes": {"b64": "AP8="}}
    expected = {"text": "four", "image_bytes": {"b64": "AP8="}}
    path = "/v1/models/toy:predict"
    assert ask(path, {"instances": [row, {**row, "text": ""}]}) == (
        200,
        {"predictions": [{**expected, "length": 12.0}, {**expected, "text": "", "length": 0.0}]},
    )
    columns = {"text": ["four"], "image_bytes": [{"b64": "AP8="}]}
    assert ask(path, {"inputs": columns}) == (200, {"outputs": {**columns, "length": [12.0]}})
    assert ask(path, {"signature_name": "times", "instances": [[1, 2]]}) == (200, {"predictions": [[3.0, 6.0]]})
    assert ask(path, {"signature_name": "times", "inputs": {"x": [[1, 2]]}}) == (200, {"outputs": [[3.0, 6.0]]})
    assert ask(path, {"signature_name": "", "instances": [row]})[0] == 200
    assert ask(path, '{"signature_name": "times", "inputs": [[NaN, Infinity]]} rest')[0] == 200


def test_versions_and_labels(ask):
    body = {"signature_name": "times", "instances": [[1, 1]]}
    for choice, factor in (("", 3), ("/versions/1", 2), ("/versions/2", 3), ("/labels/stable", 2)):
        assert ask(f"/v1/models/toy{choice}:predict", body) == (200, {"predictions": [[factor, factor]]})
    assert ask("/v1/models/t%6Fy/labels/st%61ble:predict", body)[0] == 200


ROW = {"instances": [{"text": "a", "image_bytes": "b"}]}
EXAMPLES = {"examples": [{"x": 1}]}


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        ("/v1/models/toy:predict", "", 400, "JSON Parse error: The document is empty"),
        ("/v1/models/toy:predict", "{", 400, "JSON Parse error: "),
        ("/v1/models/toy:predict", '{"instances": ' + "[" * 100_000, 400, "JSON Parse error: "),
        ("/v1/models/toy:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/toy:predict", {"instances": [{"text": "a"}]}, 400, "keys must be equal to: image_bytes,text"),
        ("/v1/models/toy:predict", {"inputs": {"text": ["a"]}}, 400, "Missing named input: image_bytes"),
        ("/v1/models/toy:predict", {"inputs": {"text": [["a"]], "image_bytes": ["b"]}}, 400, "has shape (None,)"),
        ("/v1/models/toy:predict", {"inputs": {"text": [1], "image_bytes": ["b"]}}, 400, "expected type: string"),
        ("/v1/models/toy:predict", {**ROW, "signature_name": "nope"}, 400, '"nope" not found in signature def'),
        ("/v1/models/toy:predict", {**ROW, "signature_name": 1}, 400, "must be a string value"),
        ("/v1/models/toy:predict", {"signature_name": "times", "instances": [[1, 2, 3]]}, 400, "received (1, 3)"),
        ("/v1/models/toy:predict", {"signature_name": "total", "instances": [[1, 2]]}, 400, "no shape information"),
        ("/v1/models/cats:predict", ROW, 404, "Servable not found for request: Latest(cats)"),
        ("/v1/models/cats:predict", "{", 400, "JSON Parse error: "),
        ("/v1/models/toy/versions/9:predict", ROW, 404, "Servable not found for request: Specific(toy, 9)"),
        ("/v1/models/toy/labels/gone:predict", ROW, 404, "Servable not found for request: Specific(toy, 9)"),
        ("/v1/models/toy/labels/nope:predict", ROW, 400, "Unrecognized servable version label: nope"),
        (f"/v1/models/toy/versions/{2**64}:predict", ROW, 400, f"Failed to convert version: {2**64} to numeric."),
        ("/v1/models/toy/versions/one:predict", ROW, 400, "Malformed request: POST /v1/models/toy/versions/one"),
        ("/v1/models/toy/versions/1/labels/stable:predict", ROW, 400, "Malformed request"),
        ("/v1/models/toy", ROW, 400, "Malformed request: POST /v1/models/toy"),
        ("/v1/models/toy/metadata", ROW, 400, "Malformed request"),
        ("/v1/models/toy:predict", None, 400, "Malformed request: GET /v1/models/toy:predict"),
        ("/v1/foo", None, 400, "Malformed request: GET /v1/foo"),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/v1/models/cats", None, 404, "Could not find any versions of model cats"),
        ("/v1/models/toy/versions/9", None, 404, "Could not find version 9 of model toy"),
        ("/v1/models/cats/metadata", None, 404, "Servable not found for request: Latest(cats)"),
        ("/", None, 404, "Not Found: /"),
        ("/v1/models/toy:classify", EXAMPLES, 400, "serving/classify. Was: tensorflow/serving/predict"),
        ("/v1/models/toy:regress", EXAMPLES, 400, "Expected regression signature method_name"),
        ("/v1/models/toy:classify", ROW, 400, "key 'examples' is expected and was not found"),
        ("/v1/models/toy:regress", {**EXAMPLES, "signature_name": "a"}, 400, "No signature was found with the name"),
        ("/v1/models/cats:classify", EXAMPLES, 404, "Servable not found"),
    ],
)
def test_refused(ask, path, body, code, message):
    got, content = ask(path, body)
    assert got == code, content
    assert list(content) == ["error"]
    assert message in content["error"]


def test_other_methods_are_malformed_requests(ask):
    assert ask("/v1/models/toy", method="PUT") == (400, {"error": "Malformed request: PUT /v1/models/toy"})


def test_a_fault_of_the_server_is_an_answer(ask, manager, monkeypatch):
    monkeypatch.setattr(manager, "versions", lambda model: 1 / 0)
    assert ask("/v1/models/toy") == (500, {"error": "ZeroDivisionError: division by zero"})
