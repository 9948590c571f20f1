"""What Keras itself answers, stored beside an export so that the served answers can be compared with it."""

import io
import json
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.files import atomic_write
from kerasfusion.serving.tasks import TASKS

FILE = "assets.extra/reference.npz"

# What np.save writes without pickle: booleans, integers, floats, complex numbers.
_PLAIN_KINDS = "biufc"


def save_reference(path, records):
    """Stores raw inputs and expected outputs of every signature in one file, without pickle.

    Strings become one buffer of bytes with offsets, so that any bytes of any length survive. The file is
    compressed, because it counts towards the size of the export.

    Args:
        path: File to write, by convention `FILE` in the folder of a version. Its folder is created.
        records: Signature name -> `(inputs, outputs)`, both dicts name -> array (or list of strings).

    Raises:
        TypeError: An array is of a type that only pickle could store.

    Example:
    ```python
    save_reference(version / FILE, {"serving_default": ({"text": [b"a cat"]}, {"label": [b"cat"]})})
    ```
    """
    arrays = {}
    manifest = []
    for signature, (inputs, outputs) in records.items():
        entry = {"signature": signature}
        for role, values in (("inputs", inputs), ("outputs", outputs)):
            entry[role] = {}
            for name, value in values.items():
                key = str(len(arrays))
                entry[role][name] = _store(arrays, key, value, f"{signature}, {role}: `{name}`")
        manifest.append(entry)
    arrays["manifest"] = np.frombuffer(json.dumps(manifest).encode(), dtype=np.uint8)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # An open file, because np.savez appends ".npz" to a name that lacks it.
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _store(arrays, key, value, where):
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if array.dtype.kind == "S" and not isinstance(value, np.ndarray):
        # np.asarray made fixed-width strings of a list of bytes and dropped their trailing zeros.
        array = np.array(value, dtype=object)
    if array.dtype.kind in _PLAIN_KINDS:
        arrays[key] = array
        return {"key": key}
    if array.dtype.kind not in "OSU":
        raise TypeError(f"{where} is of type {array.dtype}, which cannot be stored. Cast it to float32.")
    items = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    wrong = [item for item in items if not isinstance(item, bytes)]
    if wrong:
        raise TypeError(f"{where} holds {wrong[0]!r:.60}, which is neither a number nor bytes nor str.")
    arrays[key] = np.frombuffer(b"".join(items), dtype=np.uint8)
    arrays[f"{key}.offsets"] = np.cumsum([0, *map(len, items)], dtype=np.int64)
    return {"key": key, "strings": list(array.shape)}


def load_reference(path):
    """Reads what `save_reference()` wrote.

    Args:
        path: The file.

    Returns:
        Signature name -> `(inputs, outputs)`, both dicts name -> array. Strings are object arrays of `bytes`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a reference file.

    Example:
    ```python
    inputs, outputs = load_reference(version / FILE)["serving_default"]
    ```
    """
    path = Path(path)
    with path.open("rb") as file:
        # np.load takes anything that is no archive for a pickle, and says so.
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path.name} is not a reference file, or is cut short.")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            if "manifest" not in arrays:
                raise ValueError(f"{path.name} is not a reference file: it has no manifest.")
            return {
                entry["signature"]: tuple(
                    {name: _restore(arrays, stored) for name, stored in entry[role].items()}
                    for role in ("inputs", "outputs")
                )
                for entry in json.loads(arrays["manifest"].tobytes())
            }


def _restore(arrays, stored):
    array = arrays[stored["key"]]
    if "strings" not in stored:
        return array
    buffer = array.tobytes()
    offsets = arrays[f"{stored['key']}.offsets"].tolist()
    result = np.empty(len(offsets) - 1, dtype=object)
    result[:] = [buffer[start:end] for start, end in pairwise(offsets)]
    return result.reshape(stored["strings"])


def too_close(outputs, types, tolerance):
    """Rows whose decision a difference that passes could turn: their names say nothing of an export.

    Args:
        outputs: Stored outputs of a signature.
        types: Task -> its type; those without probabilities are left out.
        tolerance: The largest difference of a probability that passes.

    Returns:
        Task -> bool `(B,)`: whether its two best classes, or a tag and one half, are within twice the tolerance. Of a
        search `ids` -> bool `(B, k)`: whether another one found beside it is as near within twice the tolerance. Of a
        summary `chosen` -> bool `(B,)`: whether the last segment inside and the first outside are.

    Example:
    >>> too_close({"label": None, "probabilities": np.array([[0.5, 0.51], [0.1, 0.9]])}, {"label": "binary"}, 0.02)
    {'label': array([ True, False])}
    """
    close = {}
    if "ids" in outputs:
        beside = np.abs(np.diff(outputs["scores"], axis=-1)) <= 2 * tolerance
        close["ids"] = np.pad(beside, ((0, 0), (1, 0))) | np.pad(beside, ((0, 0), (0, 1)))
    if "chosen" in outputs:
        scores, chosen = outputs["scores"], outputs["chosen"]
        inside, outside = np.where(chosen, scores, np.inf).min(axis=1), np.where(chosen, -np.inf, scores).max(axis=1)
        close["chosen"] = inside - outside <= 2 * tolerance
    for task, type_ in types.items():
        probabilities = outputs.get("probabilities" if len(types) == 1 else f"{task}_probabilities")
        if task not in outputs or probabilities is None:
            continue
        found = TASKS[type_].too_close(probabilities, tolerance)
        if found is not None:
            close[task] = found
    return close


def difference(name, expected, actual, tolerance=1e-5):
    """Says how an output differs from the stored one.

    Probabilities (`probabilities`, `<task>_probabilities`) may differ by `tolerance`, other floats by
    `tolerance` times one plus the expected value. Images, in outputs named `<name>_bytes`, may differ by one level
    of brightness, which is what rounding can make of such a difference. Everything else has to be equal. NaN never
    passes, not even where NaN was expected.

    Args:
        name: Name of the output, which tells whether it holds probabilities.
        expected: Stored array.
        actual: Served array.
        tolerance: The largest difference that passes.

    Returns:
        A sentence, or `""` where the two agree.

    Example:
    >>> difference("label", np.array([1]), np.array([2]))
    '`label`: 1 of 1 values differ, first at (0,): expected 1, received 2'
    """
    expected, actual = np.asarray(expected), np.asarray(actual)
    if actual.dtype != expected.dtype:
        return f"`{name}`: expected type {expected.dtype}, received {actual.dtype}"
    if actual.shape != expected.shape:
        return f"`{name}`: expected shape {expected.shape}, received {actual.shape}"
    if name.endswith("_bytes"):
        wrong = [not _alike(*images) for images in zip(expected.flat, actual.flat, strict=True)]
        return _first(name, np.reshape(wrong, expected.shape), expected, actual)
    if expected.dtype.kind not in "fc":
        wrong = np.not_equal(expected, actual).astype(bool)
        return _first(name, wrong, expected, actual)
    if np.isnan(actual).any():
        return f"`{name}`: {int(np.isnan(actual).sum())} of {actual.size} values are NaN"
    with np.errstate(invalid="ignore"):
        gap = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
        absolute = name == "probabilities" or name.endswith("_probabilities")
        allowed = tolerance if absolute else tolerance * (1 + np.abs(expected.astype(np.float64)))
        # Written so that a NaN in `expected` counts as wrong, and equal infinities as right.
        wrong = ~((gap <= allowed) & np.isfinite(expected)) & (expected != actual)
    return _first(name, wrong, expected, actual)


def _alike(expected, actual):
    """Whether two image files show the same, but for what rounding can do."""
    if expected == actual:
        return True
    try:
        images = [np.asarray(Image.open(io.BytesIO(content)), np.int16) for content in (expected, actual)]
    except OSError:
        return False
    return images[0].shape == images[1].shape and np.abs(images[0] - images[1]).max() <= 1


def _first(name, wrong, expected, actual):
    if not wrong.any():
        return ""
    where = tuple(int(index) for index in np.argwhere(wrong)[0])
    return (
        f"`{name}`: {int(wrong.sum())} of {wrong.size} values differ, first at {where}: "
        f"expected {_short(expected[where])}, received {_short(actual[where])}"
    )


def _short(value):
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
