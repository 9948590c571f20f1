"""Checks of the other forms of an export's network: LiteRT, ONNX, a SavedModel of the network alone."""

from kerasfusion.serving import lite_model, onnx_model, reference
from kerasfusion.serving.capi import CApiSession
from kerasfusion.serving.verify_report import Failure

NETWORK = "assets.extra/network"
# Entry of the card -> name of the row, module, class that runs the file.
_RUNTIMES = {
    "lite": ("LiteRT", lite_model, lite_model.LiteModel),
    "onnx": ("ONNX", onnx_model, onnx_model.OnnxModel),
}


def check_forms(report, folder, card, found):
    """Write the rows of an export's other forms.

    Args:
        report: The worker's `Report`.
        folder: `pathlib.Path` of the version.
        card: Its metadata.
        found: dict signature -> stored inputs and outputs; those of `tensors` are compared.
    """
    for form, (name, module, runtime) in _RUNTIMES.items():
        if form not in card:
            continue
        if module.installed():
            report.check(name, _check_file, folder / module.FILE, runtime, found, card[form]["tolerance"])
        else:
            report.check(name, lambda missing=module.MISSING: f"not checked: {missing}", info=True)
    if "network" in card:
        report.check("network", _check_network, folder, found, card["network"]["tolerance"])


def _check_file(path, runtime, found, tolerance):
    if not path.is_file():
        raise Failure(f"{path.parent.name}/{path.name} is missing")
    inputs, _ = found["tensors"]
    model = runtime(path)
    _compare(model.run({name: inputs[name] for name in model.inputs}), found, tolerance)
    return f"{path.stat().st_size / 1e6:.3f} MB, {len(next(iter(inputs.values())))} rows within {tolerance:g}"


def _check_network(folder, found, tolerance):
    inputs, _ = found["tensors"]
    with CApiSession(folder / NETWORK) as session:
        taken = session.signatures["serving_default"]["inputs"]
        _compare(session.run("serving_default", {name: inputs[name] for name in taken}), found, tolerance)
    return f"{len(next(iter(inputs.values())))} rows within {tolerance:g}"


def _compare(actual, found, tolerance):
    """Raise where the numbers are not near those of `tensors`."""
    expected = {name: value for name, value in found["tensors"][1].items() if value.dtype.kind == "f"}
    missing = sorted(set(expected) ^ set(actual))
    if missing:
        raise Failure(f"The outputs and the stored ones are not the same: {', '.join(missing)}")
    problems = [reference.difference(name, expected[name], actual[name], tolerance) for name in sorted(expected)]
    if any(problems):
        raise Failure("; ".join(filter(None, problems)))
