"""The REST interface of TF Serving without the HTTP around it: method, path and body in, status and body out.

What is documented there is https://www.tensorflow.org/tfx/serving/api_rest; status codes and messages follow the
server itself.
"""

import json
import math
import re
from typing import NamedTuple
from urllib.parse import unquote

from kerasfusion.serving import json_tensors, protos
from kerasfusion.serving.errors import INTERNAL, NOT_FOUND, UNIMPLEMENTED, ServingError
from kerasfusion.serving.server_limits import DEFAULT_LIMITS

_MODEL = r"/v1/models/(?P<model>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_PATHS = {
    "POST": re.compile(rf"{_MODEL}{_VERSION}:(?P<verb>classify|regress|predict)", re.IGNORECASE),
    "GET": re.compile(rf"/v1/models(?:/(?P<model>[^/:]+))?{_VERSION}(?:/(?P<verb>metadata))?", re.IGNORECASE),
}
_HTTP_STATUS = {
    "OK": 200,
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# Other types are DT_ and their name in capitals.
_DTYPES = {"float16": "DT_HALF", "float32": "DT_FLOAT", "float64": "DT_DOUBLE"}


class Answer(NamedTuple):
    """What one request gets.

    Args:
        http_status: HTTP's number.
        body: JSON, as `bytes`.
        model: Name of the model, `""` where there is none of that name.
        verb: `"predict"`, `"classify"`, `"regress"`, `"metadata"` or `""`.
        status: TensorFlow's name for how it went, such as `"OK"`.
    """

    http_status: int
    body: bytes
    model: str = ""
    verb: str = ""
    status: str = "OK"


def answer(manager, method, path, body, limits=DEFAULT_LIMITS):
    """Answers one request.

    Args:
        manager: A `ModelManager`.
        method: `"GET"`, `"POST"`, …
        path: The path as it came, still percent-encoded, without a query.
        body: The body, as `bytes`.
        limits: `ServerLimits`; of these, the number of rows and their decoded bytes.

    Returns:
        An `Answer`. Whatever goes wrong is an answer too: `{"error": …}`.

    Example:
    ```python
    answer(manager, "POST", "/v1/models/shapes_vqa:predict", b'{"instances": [...]}')
    ```
    """
    model, verb = "", ""
    try:
        if not path.lower().startswith("/v1/"):
            raise ServingError(f"Not Found: {path}", NOT_FOUND)
        match = _PATHS[method].fullmatch(path) if method in _PATHS else None
        if match is None:
            raise ServingError(f"Malformed request: {method} {path}")
        verb = (match["verb"] or "").lower()
        name = unquote(match["model"] or "")
        if not name:
            raise ServingError("Missing model name in request.")
        model = name if name in manager.models else ""
        number, label = _version(match)
        return Answer(200, _VERBS[verb](manager, name, number, label, body, limits), model, verb)
    except ServingError as error:
        return _refused(error, model, verb)
    except RecursionError:
        return _refused(ServingError("JSON Parse error: nested too deeply"), model, verb)
    # What nobody thought of is the server's fault and not the caller's; it must not end the connection.
    except Exception as error:
        return _refused(ServingError(f"{type(error).__name__}: {error}", INTERNAL), model, verb)


def _refused(error, model, verb):
    body = json.dumps({"error": error.message}).encode()
    return Answer(_HTTP_STATUS.get(error.status, 500), body, model, verb, error.status)


def _version(match):
    number = None
    if match["version"]:
        number = int(match["version"]) if len(match["version"]) < 20 else 2**63
        if number >= 2**63:
            raise ServingError(f"Failed to convert version: {match['version']} to numeric.")
    return number, unquote(match["label"]) if match["label"] else None


def _status(manager, model, number, label, body, limits):
    # TF Serving does not look at the label here: it gives every version.
    versions = [version for version in manager.versions(model) if number in (None, version.number)]
    if not versions and number is not None:
        raise ServingError(f"Could not find version {number} of model {model}", NOT_FOUND)
    if not versions:
        raise ServingError(f"Could not find any versions of model {model}", NOT_FOUND)
    return _pretty({"model_version_status": [_version_status(version) for version in versions]})


def _version_status(version):
    error = version.error
    return {
        "version": str(version.number),
        "state": version.state,
        "status": {"error_code": error.status if error else "OK", "error_message": error.message if error else ""},
    }


def _metadata(manager, model, number, label, body, limits):
    with manager.use(model, number, label) as version:
        signatures = {name: _signature(proto) for name, proto in version.session.signature_defs.items()}
        spec = {"name": model, "signature_name": "", "version": str(version.number)}
    return _pretty({"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}})


def _signature(proto):
    return {
        "inputs": {name: _tensor_info(info) for name, info in sorted(proto.inputs.items())},
        "outputs": {name: _tensor_info(info) for name, info in sorted(proto.outputs.items())},
        "method_name": proto.method_name,
        "defaults": {},
    }


def _tensor_info(info):
    shape = info.tensor_shape
    # TensorFlow's initialising operation is listed with a tensor that has no type.
    dtype = protos.DTYPE_NAMES.get(info.dtype, "invalid")
    dims = [{"size": str(dim.size), "name": dim.name} for dim in shape.dim]
    return {
        "dtype": _DTYPES.get(dtype, f"DT_{dtype.upper()}"),
        "tensor_shape": {"dim": dims, "unknown_rank": shape.unknown_rank},
        "name": info.name,
    }


def _predict(manager, model, number, label, body, limits):
    request = json_tensors.parse_request(body)
    with manager.use(model, number, label) as version:
        name = request.get("signature_name") or "serving_default"
        if name not in version.session.signatures:
            raise ServingError(f'Serving signature name: "{name}" not found in signature def')
        max_rows = _max_rows(version.session.signatures, limits)
        inputs, rows = json_tensors.read_inputs(request, version.session.signatures[name]["inputs"], max_rows)
        outputs = version.session.run(name, inputs)
    return json_tensors.write_outputs(outputs, rows)


def _max_rows(signatures, limits):
    """Rows that one request may have: of a model of large images fewer, because they are decoded all at once."""
    row_bytes = [sum(map(_row_bytes, signature["inputs"].values())) for signature in signatures.values()]
    return max(1, min(limits.max_rows, limits.max_decoded_bytes // max(1, *row_bytes)))


def _row_bytes(spec):
    """Bytes of one row of an input as float32: the pixels that an encoded image becomes are an input of `tensors`."""
    _, shape = spec
    return 4 * math.prod(size or 1 for size in shape[1:]) if shape else 4


def _examples(verb, kind):
    """`classify` and `regress` take signatures of their own kind, which these exports do not have."""

    def refuse(manager, model, number, label, body, limits):
        request = json_tensors.parse_request(body)
        if "examples" not in request:
            raise ServingError("When method is classify, key 'examples' is expected and was not found")
        with manager.use(model, number, label) as version:
            name = request.get("signature_name") or "serving_default"
            signature = version.session.signature_defs.get(name)
        if signature is None:
            raise ServingError(f"No signature was found with the name: {name}")
        if signature.method_name == f"tensorflow/serving/{verb}":
            raise ServingError(f"{verb} is not among what this stand-in for TF Serving does.", UNIMPLEMENTED)
        raise ServingError(
            f"Expected {kind} signature method_name to be tensorflow/serving/{verb}. Was: {signature.method_name}"
        )

    return refuse


def _pretty(value):
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


_VERBS = {
    "": _status,
    "metadata": _metadata,
    "predict": _predict,
    "classify": _examples("classify", "classification"),
    "regress": _examples("regress", "regression"),
}
