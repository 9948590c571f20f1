"""Ask a served model over gRPC; quicker than REST for images, which travel as they are.

    pip install tensorflow grpcio && pip install --no-deps tensorflow-serving-api==2.21.0
    python saved_models/clients/grpc_client.py a.png "is there a red circle?"

This needs TensorFlow Serving itself: its stand-in `kerasfusion serve` speaks REST only.
"""

import argparse
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def make_request(model, inputs, signature="serving_default", version=None, label=None):
    """Builds a request.

    Args:
        model: Name of the model.
        inputs: Input name -> list or array, one value per row; text as `str`, images as `bytes`.
        signature: Name of the signature.
        version: A version's number; the highest one if neither this nor `label` is given.
        label: A version's label, such as `"stable"`.

    Returns:
        A `PredictRequest`.
    """
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
    """Turns a `PredictResponse` into a dict, output name -> array; strings as `bytes`."""
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def predict(address, request, timeout=30.0):
    """Sends a request to `host:port`.

    Returns:
        Output name -> array.

    Raises:
        grpc.RpcError: The server refuses the request, or does not answer in time.
    """
    with grpc.insecure_channel(address) as channel:
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return read_response(service.Predict(request, timeout=timeout))


def main(arguments=None):
    """Ask about one image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("text")
    parser.add_argument("--address", default="localhost:8500")
    parser.add_argument("--model", default="shapes_vqa")
    parser.add_argument("--label", help="such as stable")
    options = parser.parse_args(arguments)
    inputs = {"text": [options.text], "image_bytes": [options.image.read_bytes()]}
    request = make_request(options.model, inputs, label=options.label)
    for name, value in predict(options.address, request).items():
        print(name, value[0])


if __name__ == "__main__":
    main()
