"""Runs an exported ONNX model on the network's own inputs in ONNX Runtime, without TensorFlow."""

import importlib.util

FILE = "assets.extra/model.onnx"
MISSING = "ONNX Runtime is not installed. It comes with the extra [onnx]: pip install 'kerasfusion[onnx]'"


def installed():
    """Whether ONNX Runtime is there."""
    return importlib.util.find_spec("onnxruntime") is not None


class OnnxModel:
    """The network of an export in ONNX Runtime.

    Args:
        path: The file.
        threads: Threads of ONNX Runtime.

    Attributes:
        inputs: Names of its inputs.

    Raises:
        ImportError: ONNX Runtime is not installed.
        FileNotFoundError: There is no such file.

    Example:

    ```python
    model = OnnxModel("saved_models/pets/3/assets.extra/model.onnx")
    model.run({"text": ids, "text_present": [True], "image": pixels, "image_present": [True]})["probabilities"]
    ```
    """

    def __init__(self, path, threads=1):
        if not installed():
            raise ImportError(MISSING)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        with open(path, "rb") as file:
            self._session = onnxruntime.InferenceSession(file.read(), options, providers=["CPUExecutionProvider"])
        self.inputs = sorted(found.name for found in self._session.get_inputs())
        self._outputs = [found.name for found in self._session.get_outputs()]

    def run(self, inputs):
        """Answer one batch of any size.

        Args:
            inputs: dict name -> array of the model's own inputs.

        Returns:
            dict name -> float32 array, as the signature `tensors` gives it, without names of classes.
        """
        return dict(zip(self._outputs, self._session.run(None, inputs), strict=True))
