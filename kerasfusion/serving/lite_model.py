"""Runs an exported LiteRT model on the network's own inputs, without TensorFlow."""

import importlib.util
import threading

import numpy as np

FILE = "assets.extra/model_int8.tflite"


# What a device without TensorFlow needs beside the file: vocabularies, sizes, class names.
SCHEMA_FILE = "assets.extra/schema.json"
MISSING = "LiteRT is not installed. It comes with the extra [lite]: pip install 'kerasfusion[lite]'"


def installed():
    """Whether the extra `[lite]` is there."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def require_runtime():
    """Raise an ImportError that names the extra `[lite]` where LiteRT is not installed."""
    if not installed():
        raise ImportError(MISSING)


class LiteModel:
    """The signature `tensors` of a `.tflite` file. Calls from several threads take turns.

    Args:
        path: The file.
        threads: Threads of LiteRT.

    Attributes:
        inputs: Names of its inputs.

    Raises:
        ImportError: The extra `[lite]` is not installed.
        FileNotFoundError: There is no such file.

    Example:

    ```python
    model = LiteModel("saved_models/pets/3/assets.extra/model_int8.tflite")
    model.run({"text": ids, "text_present": [True], "image": pixels, "image_present": [True]})["probabilities"]
    ```
    """

    def __init__(self, path, threads=1):
        require_runtime()
        from ai_edge_litert.interpreter import Interpreter

        with open(path, "rb") as file:
            self._interpreter = Interpreter(model_content=file.read(), num_threads=threads)
        self._runner = self._interpreter.get_signature_runner("tensors")
        self._turn = threading.Lock()
        details = self._runner.get_input_details()
        self.inputs = sorted(details)
        # An open batch is written -1 there; a network with a loop takes one row.
        self._row_by_row = all(detail["shape_signature"][0] == 1 for detail in details.values())

    def run(self, inputs):
        """Answer one batch of any size.

        Args:
            inputs: dict name -> array of the model's own inputs.

        Returns:
            dict name -> float32 array.
        """
        with self._turn:
            if not self._row_by_row:
                return self._runner(**inputs)
            inputs = {name: np.asarray(value) for name, value in inputs.items()}
            count = len(next(iter(inputs.values())))
            rows = [self._runner(**{name: v[i : i + 1] for name, v in inputs.items()}) for i in range(count)]
            return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
