"""The network as ONNX, for runtimes without TensorFlow."""

import importlib.util
import warnings

import keras

from kerasfusion.models import get_heads
from kerasfusion.serving import reference
from kerasfusion.serving.onnx_model import FILE, OnnxModel
from kerasfusion.serving.signatures import output_name

# Another runtime adds in another order than TensorFlow, in float32 as well.
TOLERANCE = 1e-4
_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


def require_onnx():
    """Raise an ImportError that names the extra `[onnx]` where one of its packages is not installed."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"ONNX needs {', '.join(missing)}: pip install 'kerasfusion[onnx]'")


def write_onnx(model, schema, version):
    """Write `model.onnx` into a version's `assets.extra/`, and compare it in ONNX Runtime with Keras's answers.

    Args:
        model: A plain model.
        schema: Its `Schema`.
        version: `pathlib.Path` of the version, whose reference is written already.

    Returns:
        dict: the card's entry.

    Raises:
        ValueError: Its answers are not Keras's.
    """
    heads = get_heads(model)
    numbers = {
        output_name(schema, task, key): value
        for task in schema.tasks
        for key, value in heads[task.name].predictions(model.output[task.name]).items()
    }
    network = keras.Model(model.input, numbers)
    inputs, expected = reference.load_reference(version / reference.FILE)["tensors"]
    # Keras exports no model that was never called.
    network({name: inputs[name][:1] for name in model.input})
    path = version / FILE
    with warnings.catch_warnings():
        # Keras 3.15 looks for a name that NumPy 2 has taken away.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        network.export(str(path), format="onnx", verbose=False)
    found = OnnxModel(path)
    answers = found.run({name: inputs[name] for name in found.inputs})
    problems = [reference.difference(name, expected[name], answers[name], TOLERANCE) for name in sorted(numbers)]
    if any(problems):
        raise ValueError(f"The ONNX model does not answer as Keras does: {'; '.join(filter(None, problems))}")
    return {"file": FILE, "bytes": path.stat().st_size, "tolerance": TOLERANCE}
