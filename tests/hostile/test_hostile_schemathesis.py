"""schemathesis against the stand-in server: requests made from an OpenAPI description of its endpoints."""

import pytest
from serving.toy_export import add_version, write_version

from kerasfusion.serving.http_server import RestServer
from kerasfusion.serving.model_manager import ModelManager
from kerasfusion.serving.server_limits import ServerLimits

schemathesis = pytest.importorskip("schemathesis")
pytestmark = pytest.mark.schemathesis

VALUE = {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"b64": {"type": "string"}}}]}
ROW = {"type": "object", "properties": {"text": VALUE, "image_bytes": VALUE}, "required": ["text", "image_bytes"]}
COLUMN = {"type": "array", "items": VALUE}
BODY = {
    "type": "object",
    "properties": {
        "signature_name": {"enum": ["serving_default", "times", "total"]},
        "instances": {"type": "array", "items": ROW},
        "inputs": {"type": "object", "properties": {"text": COLUMN, "image_bytes": COLUMN}},
    },
}
RESPONSES = {"default": {"description": "An answer, or `error`.", "content": {"application/json": {"schema": {}}}}}


def parameter(name, schema):
    return {"name": name, "in": "path", "required": True, "schema": schema}


def operation(*parameters, **more):
    return {"parameters": list(parameters), "responses": RESPONSES, **more}


MODEL = parameter("model", {"type": "string", "enum": ["toy", "other"]})
VERSION = parameter("version", {"type": "integer"})
LABEL = parameter("label", {"type": "string"})
REQUEST = {"requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}}
DESCRIPTION = {
    "openapi": "3.0.3",
    "info": {"title": "TensorFlow Serving's REST interface", "version": "1"},
    "paths": {
        "/v1/models/{model}": {"get": operation(MODEL)},
        "/v1/models/{model}/metadata": {"get": operation(MODEL)},
        "/v1/models/{model}/versions/{version}": {"get": operation(MODEL, VERSION)},
        "/v1/models/{model}/labels/{label}/metadata": {"get": operation(MODEL, LABEL)},
        "/v1/models/{model}/versions/{version}:predict": {"post": operation(MODEL, VERSION, **REQUEST)},
        **{f"/v1/models/{{model}}:{verb}": {"post": operation(MODEL, **REQUEST)} for verb in ("predict", "classify")},
    },
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export = tmp_path_factory.mktemp("export") / "2"
    write_version(export, 2)
    add_version({2: export}, folder / "toy", 1)
    manager = ModelManager(folder)
    manager.poll()
    # Paths that end early make requests that wait for more.
    with RestServer(manager, port=0, limits=ServerLimits(header_timeout=2, body_timeout=2)) as server:
        yield server.url
    manager.close()


schema = schemathesis.openapi.from_dict(DESCRIPTION)
schema.config.generation.update(max_examples=1_000)


@schema.parametrize()
def test_no_request_of_schemathesis_is_the_servers_fault(case, url):
    response = case.call(base_url=url, timeout=20)
    case.validate_response(response, checks=[schemathesis.checks.not_a_server_error])
