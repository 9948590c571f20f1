"""Requests and answers of the REST interface: JSON to arrays and back, by the rules of TF Serving."""

import base64
import binascii
import itertools
import json
import math

import numpy as np

from kerasfusion.serving import protos
from kerasfusion.serving.errors import INVALID_ARGUMENT, UNIMPLEMENTED, ServingError

# TensorFlow's short names of the types that JSON can carry; half precision and uint16 are not among them.
TYPE_NAMES = {
    "float32": "float",
    "float64": "double",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint32": "uint32",
    "uint64": "uint64",
    "bool": "bool",
    "string": "string",
}
_decoder = json.JSONDecoder()
# NumPy 1 holds 32 dimensions, and rows add one.
_MAX_DEPTH = 31


def parse_request(body):
    """Reads the body of a request.

    Args:
        body: `bytes`. Anything after the JSON object is ignored, and `NaN` and `Infinity` are numbers, as in
            TF Serving.

    Returns:
        The JSON object, as a dict.

    Raises:
        ServingError: The body is no JSON object, or its `signature_name` no string.
    """
    try:
        text = body.decode().lstrip(" \t\r\n")
        if not text:
            raise ServingError("JSON Parse error: The document is empty")
        request, _ = _decoder.raw_decode(text)
    except ServingError:
        raise
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; nesting too deep to be read is a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ServingError(f"JSON Parse error: {error}") from None
    if not isinstance(request, dict):
        raise ServingError(f"JSON Value: {_shown(request)} Is not object")
    if not isinstance(request.get("signature_name", ""), str):
        raise ServingError(
            f"JSON Value: {_shown(request)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return request


def read_inputs(request, specs, max_rows=None):
    """Takes the inputs of a signature out of a request.

    Args:
        request: What `parse_request()` gave: rows under `instances`, or columns under `inputs`.
        specs: Input name -> `(dtype, shape)`.
        max_rows: Most rows to take; `None` for any number.

    Returns:
        `(arrays, rows)`: input name -> array, and whether the request was in rows.

    Raises:
        ServingError: What is missing or of a wrong type or shape, and where.
    """
    if "instances" in request and "inputs" in request:
        raise ServingError(
            f"JSON Value: {_shown(request)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if "instances" in request:
        return _read_rows(request, specs, max_rows), True
    if "inputs" in request:
        return _read_columns(request["inputs"], specs, max_rows), False
    raise ServingError("Missing 'inputs' or 'instances' key")


def write_outputs(outputs, rows):
    """Writes the outputs of a signature as the body of an answer.

    Args:
        outputs: Output name -> array; strings as object arrays of `bytes`. Names that end in `_bytes` are written as
            `{"b64": …}`, other strings as they are.
        rows: Whether the request was in rows: then `predictions`, a list with a dict (a bare value where there is one
            output only) for each row. Else `outputs`, the same by columns.

    Returns:
        `bytes`.

    Raises:
        ServingError: A type that JSON cannot carry, or rows where the outputs do not have the same number of them.
    """
    values = {name: _to_json(name, array) for name, array in outputs.items()}
    if not rows:
        (first, *others) = values.values()
        return _dump({"outputs": values if others else first})
    sizes = {}
    for name, array in outputs.items():
        if not array.ndim:
            raise ServingError(f"Tensor name: {name} has no shape information ")
        sizes.setdefault(len(array), name)
        if len(sizes) > 1:
            raise ServingError(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {next(iter(sizes))}"
            )
    if len(values) == 1:
        return _dump({"predictions": next(iter(values.values()))})
    return _dump({"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]})


def _check_rows(rows, max_rows):
    if max_rows is not None and rows > max_rows:
        raise ServingError(
            f"The request has {rows} rows; this server takes at most {max_rows} of this model in one request. "
            "Send fewer, or raise --max-rows and --max-decoded-bytes."
        )


def _read_rows(request, specs, max_rows):
    instances = request["instances"]
    if not isinstance(instances, list):
        raise ServingError(f"JSON Value: {_shown(request)} Expecting 'instances' to be an list/array")
    if not instances:
        raise ServingError(f"JSON Value: {_shown(request)} No values in 'instances' array")
    _check_rows(len(instances), max_rows)
    if not isinstance(instances[0], dict) and len(specs) > 1:
        raise ServingError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_object(instances[0])
    columns = {name: [] for name in specs}
    for number, instance in enumerate(instances):
        if _is_object(instance) != named:
            expected, got = ("object", "list") if named else ("value/list", "object")
            raise ServingError(f"Expecting {expected} but got {got} at item {number} of input list")
        row = instance if named else {next(iter(specs)): instance}
        for name, value in row.items():
            try:
                if name not in specs:
                    raise ServingError(f"JSON object: does not have named input: {name}")
                columns[name].append(_to_array(value, specs[name][0]))
                _same_shape(columns[name][0], columns[name][-1])
            except ServingError as error:
                key = f" key: {name}" if named else ""
                raise ServingError(
                    f"Failed to process element: {number}{key} of 'instances' list. "
                    f"Error: {error.status}: {error.message}"
                ) from None
        if len(row) < len(specs):
            raise ServingError(
                f"Failed to process element: {number} of 'instances' list. JSON object: {_shown(row)} keys must be "
                f"equal to: {','.join(sorted(specs))}"
            )
    return {name: np.stack(values) for name, values in columns.items()}


def _read_columns(inputs, specs, max_rows):
    if not _is_object(inputs):
        if len(specs) > 1:
            raise ServingError(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        inputs = {name: inputs for name in specs}
    missing = [name for name in specs if name not in inputs]
    if missing:
        raise ServingError(f"Missing named input: {missing[0]} in 'inputs' object.")
    for name, (_, shape) in specs.items():
        # Models fail on a batch without rows in words of their own.
        if shape and shape[0] is None and isinstance(inputs[name], list):
            if not inputs[name]:
                raise ServingError(f"No values in input {name} of 'inputs': send one row at least.")
            _check_rows(len(inputs[name]), max_rows)
    return {name: _to_array(inputs[name], dtype) for name, (dtype, _) in specs.items()}


def _same_shape(first, array):
    if array.size != first.size:
        raise ServingError(f"Expecting tensor size: {first.size} but got: {array.size}")
    if array.shape != first.shape:
        want, got = (str(list(one.shape)).replace(" ", "") for one in (first, array))
        raise ServingError(f"Expecting shape {want} but got: {got}")


def _to_array(value, dtype):
    if dtype not in _READERS:
        raise ServingError(f"Conversion of JSON Value: {_shown(value)} to type: {dtype}", UNIMPLEMENTED)
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > _MAX_DEPTH:
        raise ServingError(f"Lists are nested {len(shape)} deep; at most {_MAX_DEPTH} are taken.")
    leaves = []
    _collect(value, 0, shape, _READERS[dtype], dtype, leaves)
    # By way of one dimension, because NumPy would take the bytes of a string for a further one.
    array = np.empty(len(leaves), object if dtype == "string" else dtype)
    with np.errstate(over="ignore"):
        array[:] = leaves
    return array.reshape(shape)


def _collect(value, level, shape, read, dtype, leaves):
    """Appends the values of nested lists, and checks that every list is as deep and as long as the first."""
    if not isinstance(value, list):
        if level != len(shape):
            raise ServingError(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        leaves.append(read(value, dtype))
        return
    if level >= len(shape):
        raise ServingError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise ServingError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, read, dtype, leaves)


def _read_float(value, dtype):
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _type_error(value, dtype)
    try:
        return float(value)
    except OverflowError:
        raise _type_error(value, dtype) from None


def _read_integer(value, dtype):
    limits = np.iinfo(dtype)
    if isinstance(value, bool) or not isinstance(value, int) or not limits.min <= value <= limits.max:
        raise _type_error(value, dtype)
    return value


def _read_bool(value, dtype):
    if not isinstance(value, bool):
        raise _type_error(value, dtype)
    return value


def _read_string(value, dtype):
    try:
        if _is_base64(value):
            return _decode_base64(value["b64"])
        if isinstance(value, dict):
            raise ServingError(f"JSON Value: {_shown(value)} not formatted correctly for base64 data")
        if isinstance(value, str):
            return value.encode()
    # Half of a surrogate pair, which JSON can write and UTF-8 cannot.
    except UnicodeEncodeError as error:
        raise ServingError(f"JSON Parse error: {error}") from None
    raise _type_error(value, dtype)


_READERS = {
    **dict.fromkeys(("float32", "float64"), _read_float),
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"), _read_integer),
    "bool": _read_bool,
    "string": _read_string,
}


def _decode_base64(text):
    # The alphabet of URLs and a missing padding are taken as well, as TF Serving takes them.
    content = text.encode().translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(content + b"=" * (-len(content) % 4), validate=True)
    except binascii.Error:
        raise ServingError("Unable to base64 decode") from None


def _is_base64(value):
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _is_object(value):
    return isinstance(value, dict) and not _is_base64(value)


def _to_json(name, array):
    if protos.is_text(array):
        write = _write_bytes if name.endswith("_bytes") else _write_text
        flat = [write(item) for item in array.flat]
        return _nested(flat, array.shape)
    if array.dtype.name not in TYPE_NAMES:
        raise ServingError(f"Failed to write JSON value for tensor type: {array.dtype.name}", INVALID_ARGUMENT)
    if array.dtype.name == "float32":
        # As float64 0.2 would be written 0.20000000298023224.
        array = array.astype(str).astype("float64")
    return array.tolist()


def _nested(flat, shape):
    if len(shape) < 2:
        return flat if shape else flat[0]
    step = math.prod(shape[1:])
    return [_nested(flat[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0])]


def _write_bytes(item):
    return {"b64": base64.b64encode(item).decode()}


def _write_text(item):
    return item.decode(errors="surrogateescape")


def _dump(answer):
    # Bytes that are no UTF-8 leave as they are, which is what TF Serving does with them.
    return json.dumps(answer, ensure_ascii=False).encode(errors="surrogateescape")


def _type_error(value, dtype):
    kinds = {type(None): "Null", dict: "Object", list: "Array", str: "String"}
    kind = str(value) if isinstance(value, bool) else kinds.get(type(value), "Number")
    return ServingError(
        f"JSON Value: {_shown(value)} Type: {kind} is not of expected type: {TYPE_NAMES[dtype]}", INVALID_ARGUMENT
    )


def _shown(value):
    """The beginning of a JSON value, as messages show it; the rest is never written."""
    return "".join(itertools.islice(json.JSONEncoder().iterencode(value), 256))[:256]
