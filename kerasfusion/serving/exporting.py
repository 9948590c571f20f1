"""A model to a SavedModel that TensorFlow Serving loads: everything inside, nothing to preprocess outside."""

import errno
import functools
import os
from pathlib import Path

import keras
import numpy as np

from kerasfusion.bounds import SERVING_PIXELS, check_bounds
from kerasfusion.files import folder_lock, temporary_folder
from kerasfusion.problem_types import TYPES
from kerasfusion.serving import reference, warmup
from kerasfusion.serving.features import FEATURES
from kerasfusion.serving.features.text import words_bytes
from kerasfusion.serving.freezing import freeze
from kerasfusion.serving.image_signatures import AutoencoderSignatures, DrawingSignatures
from kerasfusion.serving.lite import write_lite
from kerasfusion.serving.lite_model import require_runtime
from kerasfusion.serving.metadata import write_metadata
from kerasfusion.serving.network_export import write_network
from kerasfusion.serving.onnx_export import require_onnx, write_onnx
from kerasfusion.serving.signatures import Signatures
from kerasfusion.serving.tasks import TASKS

# Largest difference from Keras's float32 answers that `verify` allows, by how the weights are kept. A bfloat16 has
# 8 bits of precision where a float32 has 24: each value is rounded by up to 0.4 %, and what the roundings of a
# network's layers add up to moves a probability by one or two hundredths.
TOLERANCES = {"variables": 1e-5, "frozen": 1e-5, "bfloat16": 2e-2}


def export_model(
    model,
    schema,
    model_dir,
    examples,
    variant="variables",
    lite=False,
    gallery=None,
    max_pixels=SERVING_PIXELS,
    onnx=False,
    network=False,
):
    """Write the next version of a SavedModel.

    Args:
        model: A plain model.
        schema: Its `Schema`; without tasks, that of an autoencoder or a generator.
        model_dir: The model's folder; the version is one more than the highest there, `<model_dir>/<version>/`.
        examples: Raw inputs to store as reference and warm-up: dict of `serving_default` inputs, each with a few
            rows.
        variant: How the weights are kept: `"variables"`; `"frozen"`, as constants of a graph that is simplified for
            inference; or `"bfloat16"`, frozen, and half the size.
        lite: Write a model for LiteRT too, with weights in 8-bit integers: `assets.extra/model_int8.tflite`.
        gallery: A `Gallery` that a dual encoder searches; None writes no searches.
        max_pixels: Images of more pixels count as unreadable in requests.
        onnx: Write the network as ONNX too, compared with Keras in ONNX Runtime: `assets.extra/model.onnx`.
        network: Write the network alone as a SavedModel too, for other runtimes: `assets.extra/network/`. Its
            `serving_default` takes the model's own inputs.

    Returns:
        Path: the version's folder. It counts as exported once `verify` has passed on it.

    Raises:
        ImportError: `lite` without the extra `[lite]`, or `onnx` without `[onnx]`, which run what they write.
        ValueError: `max_pixels` out of bounds, an unknown variant, any but the first of a captioner, weights too
            large to be frozen, another form of a model without tasks, or ONNX that does not answer as Keras does.
    """
    check_bounds(max_pixels=max_pixels)
    forms = [name for name, wanted in (("lite", lite), ("onnx", onnx), ("network", network)) if wanted]
    if variant not in TOLERANCES:
        raise ValueError(f"There is no variant {variant!r}; choose one of {', '.join(TOLERANCES)}.")
    if not all(TASKS[task.type].convertible for task in schema.tasks) and (forms or variant != "variables"):
        raise ValueError("A captioner writes word by word in a loop and is exported with plain weights alone.")
    if forms and not schema.tasks:
        raise ValueError(
            f"Other forms answer tasks: a model that gives back or draws images has none ({', '.join(forms)})."
        )
    if lite:
        require_runtime()
    if onnx:
        require_onnx()

    def write(folder):
        card = _write(model, schema, folder, examples, Path(model_dir).name, variant, gallery, max_pixels)
        writers = {"lite": write_lite, "onnx": write_onnx, "network": write_network}
        return {**card, **{name: writers[name](model, schema, folder) for name in forms}}

    return write_version(model_dir, write)


def write_version(model_dir, write):
    """Have the next version of a SavedModel written under a temporary name, and publish it whole.

    Args:
        model_dir: The model's folder.
        write: Called with the folder to write to; returns the export's card.

    Returns:
        Path: the version's folder.
    """
    model_dir = Path(model_dir)
    model_dir.mkdir(parents=True, exist_ok=True)
    with temporary_folder(model_dir) as temporary:
        write_metadata(temporary, write(temporary))
        with folder_lock(model_dir, wait=True):
            return _publish(temporary, model_dir)


def _publish(temporary, model_dir):
    """Give a finished export the next version number: TF Serving watches the folder and must see it whole."""
    while True:
        version = model_dir / str(
            1 + max((int(name) for name in os.listdir(model_dir) if _is_number(name)), default=0)
        )
        try:
            os.replace(temporary, version)
        except OSError as error:
            # Taken since by a writer that does not know the lock.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return version


def _is_number(name):
    return name.isascii() and name.isdigit()


def _signatures(model, schema, max_pixels, convert=None, gallery=None):
    signatures = _signatures_for(model, schema, convert, gallery)
    signatures.raw.max_pixels = max_pixels
    return signatures


def _signatures_for(model, schema, convert, gallery):
    for task in schema.tasks:
        found = TASKS[task.type].signatures(model, schema, convert, gallery)
        if found is not None:
            return found
    if not schema.tasks:
        kind = DrawingSignatures if "noise" in model.input else AutoencoderSignatures
        return kind(model, schema, convert)
    return Signatures(model, schema, convert)


def _write(model, schema, folder, examples, name, variant, gallery, max_pixels):
    convert = None if variant == "variables" else functools.partial(freeze, bfloat16=variant == "bfloat16")
    signatures = _signatures(model, schema, max_pixels, convert, gallery)
    write_endpoints(folder, signatures.endpoints(), signatures.resources())
    write_examples(folder, _records(_signatures(model, schema, max_pixels, gallery=gallery), examples), name)
    features = signatures.raw.features
    categories = {f.name: list(FEATURES[f.kind].categories(f)) for f in features if FEATURES[f.kind].categories(f)}
    size = {"variables": 0, "frozen": 4, "bfloat16": 2}[variant]
    return {
        "variant": variant,
        "tolerance": TOLERANCES[variant],
        "vocabulary_bytes": sum(FEATURES[f.kind].table_bytes(f) for f in features)
        + sum(words_bytes(task.vocabulary) for task in schema.tasks),
        "constant_bytes": size * model.count_params(),
        "variables": len(model.variables) if variant == "variables" else 0,
        "max_pixels": max_pixels,
        "features": {f.name: f.kind for f in features},
        "inputs": {column: signatures.raw.spec(f).name for f in features for column in f.columns},
        **({"categories": categories} if categories else {}),
        "outputs": {task.column: task.name for task in schema.tasks if TYPES[task.type].from_column},
        "classes": {task.name: list(task.classes) for task in schema.tasks},
        "types": {task.name: task.type for task in schema.tasks},
        "temperatures": {t.name: signatures.heads[t.name].temperature for t in schema.tasks if t.classes},
        **({} if gallery is None else {"gallery": {"images": gallery.size, "k": gallery.k}}),
    }


def write_endpoints(folder, endpoints, resources):
    """Write a SavedModel.

    Args:
        folder: Where to.
        endpoints: dict name -> `(function of tensors, list of TensorSpec)`.
        resources: What holds lookup tables. Not what holds variables: those are found, and would be stored twice.
    """
    archive = keras.export.ExportArchive()
    for resource in resources:
        archive.track(resource)
    for endpoint, (function, specs) in endpoints.items():
        archive.add_endpoint(endpoint, function, specs)
    archive.write_out(str(folder), verbose=False)


def write_examples(folder, records, name):
    """Write what `verify` compares with, endpoint -> (inputs, outputs), and its first rows as warm-up requests."""
    reference.save_reference(folder / reference.FILE, records)
    one = [(e, {key: value[:1] for key, value in given.items()}) for e, (given, _) in records.items()]
    warmup.write_warmup(folder / warmup.FILE, one, name)


def _records(signatures, examples):
    """Keras's own answers to raw inputs, for `verify` to compare with: endpoint -> (inputs, outputs)."""
    raw = signatures.raw_examples(examples)
    own = signatures.own_examples(raw)
    records = {}
    for endpoint, (function, specs) in signatures.endpoints().items():
        given = own if endpoint == "tensors" else raw
        given = {spec.name: given[spec.name] for spec in specs}
        outputs = function(*given.values())
        records[endpoint] = tuple(
            {key: np.asarray(value) for key, value in values.items()} for values in (given, outputs)
        )
    return records
