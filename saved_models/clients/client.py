r"""Ask any signature of a served model, over REST or gRPC.

    python saved_models/clients/client.py shapes_vqa text="is there a red circle?" image_bytes=@a.png
    python saved_models/clients/client.py emoji_search text="red heart" --signature search
    python saved_models/clients/client.py moving_shapes_summary text="the red circle stops" \
        video_bytes=@1.png,@2.png share:=0.15 --signature summarize

`name=text` sends a string, `name=@file` the bytes of a file (several, divided by commas, as a list), and `name:=json`
any other value. REST needs Python's standard library alone; `kerasfusion serve saved_models` answers as TensorFlow
Serving does. `--grpc`, which sends bytes as they are, needs TensorFlow Serving itself and

    pip install tensorflow grpcio && pip install --no-deps tensorflow-serving-api==2.21.0
"""

import argparse
import base64
import json
import urllib.error
import urllib.request
from pathlib import Path


def predict(url, model, rows, signature="serving_default", version=None, label=None, timeout=30.0):
    """Ask a model over REST.

    Args:
        url: Of the server, such as `"http://localhost:8501"`.
        model: Its name.
        rows: List of dicts, input name -> value. `bytes` are sent as base64.
        signature: Name of the signature.
        version: A version's number; the highest one if neither this nor `label` is given.
        label: A version's label, such as `"stable"`.
        timeout: Seconds to wait.

    Returns:
        List with a dict of outputs for every row, or the output itself where there is only one.

    Raises:
        ValueError: The server refuses the request; its own message.
    """
    chosen = f"/labels/{label}" if label else f"/versions/{version}" if version else ""
    body = {"signature_name": signature, "instances": [_encoded(row) for row in rows]}
    request = urllib.request.Request(f"{url}/v1/models/{model}{chosen}:predict", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)["predictions"]
    except urllib.error.HTTPError as refused:
        raise ValueError(f"{refused.code}: {json.load(refused)['error']}") from None


def predict_grpc(address, request, timeout=30.0):
    """Send a request of `make_request` to `host:port`; dict of output name -> array, strings as `bytes`."""
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return read_response(service.Predict(request, timeout=timeout))


def make_request(model, inputs, signature="serving_default", version=None, label=None):
    """Build a `PredictRequest`; `inputs` maps a name to a list or array with one value per row."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def read_response(response):
    """Turn a `PredictResponse` into a dict, output name -> array; strings as `bytes`."""
    import tensorflow as tf

    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def parse_input(text):
    """Parse `name=text`, `name=@file` or `name:=json` into a pair of name and value.

    Raises:
        ValueError: It is none of these, or the value is no JSON.
        OSError: The file cannot be read.
    """
    name, found, value = text.partition("=")
    if not found or not name.rstrip(":"):
        raise ValueError(f"{text!r} is no input: write name=text, name=@file or name:=json.")
    if name.endswith(":"):
        return name[:-1], json.loads(value)
    if not value.startswith("@"):
        return name, value
    files = [Path(part.removeprefix("@")).read_bytes() for part in value.split(",@")]
    return name, files[0] if len(files) == 1 else files


def _encoded(value):
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def main(arguments=None):
    """Ask one row of a signature and print the answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("inputs", nargs="*", help="name=text, name=@file or name:=json")
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--label", help="of the version, such as stable")
    parser.add_argument("--url", default="http://localhost:8501", help="for REST")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="ask by gRPC, such as localhost:8500")
    options = parser.parse_args(arguments)
    try:
        row = dict(map(parse_input, options.inputs))
        if options.grpc:
            inputs = {name: [value] for name, value in row.items()}
            request = make_request(options.model, inputs, options.signature, label=options.label)
            for name, value in predict_grpc(options.grpc, request).items():
                print(name, value[0])
        else:
            (answer,) = predict(options.url, options.model, [row], options.signature, label=options.label)
            print(json.dumps(answer))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
