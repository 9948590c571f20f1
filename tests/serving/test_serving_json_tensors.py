import json

import numpy as np
import pytest

from kerasfusion.serving.errors import ServingError
from kerasfusion.serving.json_tensors import parse_request, read_inputs, write_outputs

PAIR = {"text": ("string", (None,)), "image_bytes": ("string", (None,))}
ONE = {"x": ("float32", (None, 2))}


def read(body, specs):
    arrays, rows = read_inputs(parse_request(body.encode()), specs)
    return {name: array.tolist() for name, array in arrays.items()}, rows


def spec(dtype):
    return {"x": (dtype, None)}


def test_rows():
    body = '{"instances": [{"text": "a", "image_bytes": {"b64": "AP8="}}, {"text": "é", "image_bytes": "plain"}]}'
    assert read(body, PAIR) == ({"text": [b"a", "é".encode()], "image_bytes": [b"\x00\xff", b"plain"]}, True)
    # One input needs no name, but may have it.
    assert read('{"instances": [[1, 2], [3.5, -4]]}', ONE) == ({"x": [[1.0, 2.0], [3.5, -4.0]]}, True)
    assert read('{"instances": [{"x": [1, 2]}]}', ONE) == ({"x": [[1.0, 2.0]]}, True)
    assert read('{"instances": [{"b64": "YQ=="}, "b"]}', spec("string")) == ({"x": [b"a", b"b"]}, True)


def test_columns():
    # The second image is in the alphabet of URLs and has no padding.
    body = '{"inputs": {"text": ["a", "b"], "image_bytes": [{"b64": ""}, {"b64": "__8"}], "more": 1}}'
    assert read(body, PAIR) == ({"text": [b"a", b"b"], "image_bytes": [b"", b"\xff\xff"]}, False)
    assert read('{"inputs": [[1, 2]]}', ONE) == ({"x": [[1.0, 2.0]]}, False)
    assert read('{"inputs": {"b64": "YQ=="}}', spec("string")) == ({"x": b"a"}, False)
    assert read('{"inputs": []}', spec("int32")) == ({"x": []}, False)


def test_bytes_keep_their_zeros():
    body = '{"inputs": [{"b64": "AAA="}, {"b64": "YQAA"}]}'
    arrays, _ = read_inputs(parse_request(body.encode()), spec("string"))
    assert arrays["x"].tolist() == [b"\x00\x00", b"a\x00\x00"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int32", "int64", "uint64", "bool"])
def test_types(dtype):
    value = "true" if dtype == "bool" else "7"
    arrays, _ = read_inputs(parse_request(f'{{"inputs": [{value}]}}'.encode()), spec(dtype))
    assert (arrays["x"].dtype.name, arrays["x"].tolist()) == (dtype, [json.loads(value)])


def test_what_tf_serving_lets_pass():
    arrays, _ = read_inputs(parse_request(b' {"instances": [NaN, Infinity, -Infinity, 1e300]} rest'), spec("float32"))
    np.testing.assert_array_equal(arrays["x"], np.float32([np.nan, np.inf, -np.inf, np.inf]))


@pytest.mark.parametrize(
    ("body", "specs", "message"),
    [
        ("", ONE, "JSON Parse error: The document is empty"),
        ("instances = [1]", ONE, "JSON Parse error: "),
        ("[1]", ONE, r"JSON Value: \[1\] Is not object"),
        ('{"signature_name": 100}', ONE, "'signature_name' key must be a string value"),
        ("{}", ONE, "Missing 'inputs' or 'instances' key"),
        ('{"inputs": 1, "instances": 1}', ONE, "only one of 'inputs' or 'instances' keys"),
        ('{"instances": 1}', ONE, "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', ONE, "No values in 'instances' array"),
        ('{"instances": ["a"]}', PAIR, "instances is a plain list, but expecting list of objects"),
        ('{"inputs": ["a"]}', PAIR, "inputs is a plain value/list, but expecting an object"),
        ('{"inputs": {"text": ["a"]}}', PAIR, "Missing named input: image_bytes in 'inputs' object"),
        ('{"instances": [{"text": "a"}]}', PAIR, "element: 0 .* keys must be equal to: image_bytes,text"),
        ('{"instances": [{"x": [1, 2], "z": 1}]}', ONE, "key: z .*does not have named input: z"),
        ('{"instances": [{"x": [1, 2]}, [1, 2]]}', ONE, "Expecting object but got list at item 1"),
        ('{"instances": [[1, 2], {"x": [1, 2]}]}', ONE, "Expecting value/list but got object at item 1"),
        ('{"instances": [[1, 2], [1]]}', ONE, "element: 1 of .*INVALID_ARGUMENT: Expecting tensor size: 2"),
        ('{"instances": [[[1, 2]], [1, 2]]}', ONE, r"Expecting shape \[1,2\] but got: \[2\]"),
        ('{"inputs": [[1, 2], [1]]}', ONE, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ('{"inputs": [1, [1]]}', ONE, "Encountered list at unexpected level: 1 expected < 1"),
        ('{"inputs": [[1], 1]}', ONE, "JSON Value: 1 found at incorrect level: 2 .* Expected at level: 2"),
        ('{"instances": ["a"]}', ONE, 'JSON Value: "a" Type: String is not of expected type: float'),
        ('{"instances": [true]}', ONE, "Type: True is not of expected type: float"),
        ('{"instances": [null]}', ONE, "Type: Null is not of expected type: float"),
        ('{"instances": [1]}', spec("string"), "Type: Number is not of expected type: string"),
        ('{"instances": [1]}', spec("bool"), "is not of expected type: bool"),
        ('{"instances": [1.0]}', spec("int32"), "is not of expected type: int32"),
        ('{"instances": [256]}', spec("uint8"), "is not of expected type: uint8"),
        ('{"instances": [-1]}', spec("uint64"), "is not of expected type: uint64"),
        (f'{{"instances": [1{"0" * 400}]}}', ONE, "is not of expected type: float"),
        ('{"instances": [{"b64": "a"}]}', spec("string"), "Unable to base64 decode"),
        ('{"instances": [{"b64": "é==="}]}', spec("string"), "Unable to base64 decode"),
        ('{"inputs": [{"b64": 1}]}', spec("string"), "not formatted correctly for base64 data"),
        (r'{"instances": ["\ud800"]}', spec("string"), "JSON Parse error: .*surrogates not allowed"),
    ],
)
def test_refused(body, specs, message):
    with pytest.raises(ServingError, match=message) as refused:
        read(body, specs)
    assert refused.value.status == "INVALID_ARGUMENT"
    assert len(str(refused.value)) < 600


def test_refused_bytes_and_types():
    with pytest.raises(ServingError, match=r"JSON Parse error: .*utf-8"):
        parse_request(b'{"instances": ["\xff"]}')
    with pytest.raises(ServingError, match=r"Conversion of JSON Value: \[1\] to type: float16") as refused:
        read('{"inputs": [1]}', spec("float16"))
    assert refused.value.status == "UNIMPLEMENTED"


def test_outputs():
    label = np.array([b"cat", "é".encode()], object)
    numbers = np.array([[0.2, 1.0], [np.nan, -np.inf]], "float32")
    assert write_outputs({"label": label, "p": numbers}, rows=True).decode() == (
        '{"predictions": [{"label": "cat", "p": [0.2, 1.0]}, {"label": "é", "p": [NaN, -Infinity]}]}'
    )
    assert write_outputs({"label": label, "p": numbers}, rows=False).decode() == (
        '{"outputs": {"label": ["cat", "é"], "p": [[0.2, 1.0], [NaN, -Infinity]]}}'
    )
    # A single output goes without its name, and what is called `_bytes` as base64.
    image = {"image_bytes": np.array([[b"\x00\xff"], [b""]], object)}
    assert write_outputs(image, rows=True) == b'{"predictions": [[{"b64": "AP8="}], [{"b64": ""}]]}'
    assert write_outputs({"ok": np.array([True])}, rows=False) == b'{"outputs": [true]}'
    assert write_outputs({"n": np.array(3)}, rows=False) == b'{"outputs": 3}'
    assert write_outputs({"text": np.array(b"one", object)}, rows=False) == b'{"outputs": "one"}'
    # Bytes that are no text, under a name that promises text, leave unchanged.
    assert write_outputs({"text": np.array([b"\xff"], object)}, rows=True) == b'{"predictions": ["\xff"]}'
    assert write_outputs({"p": np.zeros((0, 3), "float32")}, rows=True) == b'{"predictions": []}'


def test_float32_survives():
    values = np.concatenate([np.random.default_rng(0).normal(size=500), [1e-38, 3.4e38, 16777216]]).astype("float32")
    written = json.loads(write_outputs({"p": values}, rows=True))["predictions"]
    assert np.array(written).astype("float32").tolist() == values.tolist()
    assert len(write_outputs({"p": np.float32([0.1])}, rows=True)) == len('{"predictions": [0.1]}')


def test_refused_outputs():
    with pytest.raises(ServingError, match="b has inconsistent batch size: 1 expecting: 2"):
        write_outputs({"a": np.zeros(2), "b": np.zeros(1)}, rows=True)
    with pytest.raises(ServingError, match="a has no shape information"):
        write_outputs({"a": np.array(1.0)}, rows=True)
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: float16"):
        write_outputs({"a": np.zeros(1, "float16")}, rows=True)
