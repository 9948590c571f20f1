"""A run to a SavedModel that TensorFlow Serving loads: everything inside, nothing to preprocess outside."""

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerasfusion.serving import reference, warmup
from kerasfusion.serving.signatures import Signatures
from kerasfusion.serving.verify_worker import INFO_FILE

EXAMPLES = 4


def export(run, base, examples=None):
    """Write the next version of a SavedModel.

    Args:
        run: A `Run`, or its folder.
        base: The model's folder; the version is one more than the highest there, `<base>/<version>/`.
        examples: Raw inputs to store as reference and warm-up: dict of `serving_default` inputs, each with a few
            rows. None takes those that training left in the run, `reference_inputs.npz`.

    Returns:
        Path: the version's folder. It counts as exported once `verify` has passed on it.

    Raises:
        FileNotFoundError: the run is not finished.

    Example:

    ```python
    version = kf.export("runs/pets", "saved_models/pets")
    print(kf.verify(version))
    ```
    """
    from kerasfusion.training import load

    run = load(run) if isinstance(run, str | os.PathLike) else run
    if examples is None:
        examples = reference.load_reference(run.path / "reference_inputs.npz")["serving_default"][0]
    return export_model(run.model, run.schema, base, examples)


def export_model(model, schema, base, examples):
    """`export` for a model and a schema without a run."""
    signatures = Signatures(model, schema)
    base = Path(base)
    base.mkdir(parents=True, exist_ok=True)
    version = 1 + max((int(p.name) for p in base.iterdir() if p.is_dir() and p.name.isdigit()), default=0)
    temporary = base / f".{version}.tmp-{os.getpid()}"
    try:
        _write(signatures, temporary, examples, base.name)
        # TF Serving watches this folder: a version appears whole or not at all.
        os.replace(temporary, base / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return base / str(version)


def _write(signatures, folder, examples, name):
    endpoints = signatures.endpoints()
    archive = keras.export.ExportArchive()
    for vectorizer in signatures.vectorizers.values():
        vectorizer(tf.constant(["built before it is tracked"]))
        archive.track(vectorizer)
    for endpoint, (function, specs) in endpoints.items():
        archive.add_endpoint(endpoint, function, specs)
    archive.write_out(str(folder), verbose=False)

    # Keras's own answers, from the same raw inputs, for `verify` to compare with.
    raw = [tf.constant(examples[spec.name], spec.dtype) for spec in signatures.raw_specs()]
    own, _ = signatures.preprocess(*raw)
    inputs = {
        "serving_default": {spec.name: value for spec, value in zip(signatures.raw_specs(), raw, strict=True)},
        "tensors": own,
    }
    inputs["embed"] = inputs["serving_default"]
    records = {}
    for endpoint, (function, specs) in endpoints.items():
        given = {key: np.asarray(value) for key, value in inputs[endpoint].items()}
        outputs = function(*(inputs[endpoint][spec.name] for spec in specs))
        records[endpoint] = (given, {key: np.asarray(value) for key, value in outputs.items()})
    reference.save_reference(folder / reference.FILE, records)
    one = [(e, {key: value[:1] for key, value in given.items()}) for e, (given, _) in records.items()]
    warmup.write_warmup(folder / warmup.FILE, one, name)
    words = [word for f in signatures.features for word in f.vocabulary]
    info = {
        "vocabulary_bytes": sum(len(word.encode()) + 1 for word in words),
        "features": {f.name: f.kind for f in signatures.features},
        "classes": {task.name: list(task.classes) for task in signatures.schema.tasks},
    }
    (folder / INFO_FILE).write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")
