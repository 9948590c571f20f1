"""Read the files of a run, which may be damaged, edited by hand or from elsewhere."""

import json
import math
import numbers

import keras

from kerasfusion.models.model_file import check_model_file
from kerasfusion.problem_types import TYPES
from kerasfusion.schema import Schema, Task

# What the package reads of `config.json`, where it is there: key -> types.
_CONFIG = {"model": str | None, "source": str, "load": dict | None, "data": dict, "slice_by": str | None}


def read_object(path):
    """Read a JSON object, such as `metrics.json`.

    Raises:
        ValueError: The file is not JSON or holds no object. The message names it.
    """
    found = _read(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    if not isinstance(found, dict):
        raise ValueError(_damaged(path, f"it holds a {type(found).__name__}, not an object"))
    return found


def read_config(path):
    """Read a run's `config.json`; ValueError where an entry that the package reads is of another type."""
    config = read_object(path)
    if "model" not in config:
        raise ValueError(_damaged(path, "it has no 'model'"))
    for key, kind in _CONFIG.items():
        if key in config and not isinstance(config[key], kind):
            raise ValueError(_damaged(path, f"{key!r} is {config[key]!r}"))
    return config


def read_schema(path):
    """Read a run's `schema.json`; ValueError where it is no schema."""
    content = read_object(path)
    found = _read(path, lambda: Schema.from_dict(content))
    for item in (*found.features, *found.tasks):
        problem = _problem(item)
        if problem is not None:
            raise ValueError(_damaged(path, f"{item.name!r}: {problem}"))
    return found


def read_model(path, schema):
    """Read a run's `model.keras`; ValueError where it cannot be read or is not a model for the schema."""
    check_model_file(path)
    model = _read(path, lambda: keras.saving.load_model(path))
    if not isinstance(model.input, dict):
        raise ValueError(_damaged(path, "its inputs have no names"))
    outputs = model.output if isinstance(model.output, dict) else {}
    wanted = {f.name: f.input_shape for f in schema.features if f.name in model.input}
    found = {name: tuple(model.input[name].shape[1:]) for name in wanted}
    for task in schema.tasks:
        if task.name in outputs and TYPES[task.type].from_column:
            wanted[task.name], found[task.name] = task.outputs, outputs[task.name].shape[-1]
    if not any(feature.name in wanted for feature in schema.features):
        raise ValueError(f"{path} takes {', '.join(model.input)}, and none of these is in schema.json beside it.")
    differ = [name for name in wanted if wanted[name] != found[name]]
    if differ:
        name = differ[0]
        raise ValueError(
            f"{path} does not fit schema.json beside it: {name!r} is {found[name]} in the model and {wanted[name]} "
            "in the schema. Both must be of the same run."
        )
    return model


def _read(path, read):
    try:
        return read()
    except Exception as error:
        # Not the file's fault: no permission, no memory.
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        detail = str(error).strip() or type(error).__name__
        raise ValueError(_damaged(path, f"{type(error).__name__}: {detail[:600]}")) from error


def _damaged(path, why):
    return f"{path} cannot be used: {why}. Restore the file, or train the run again."


def _problem(item):
    """What is wrong with a feature or task, or None."""
    strings = {"columns": getattr(item, "columns", ()), "vocabulary": item.vocabulary}
    strings.update(classes=getattr(item, "classes", ()), column=(getattr(item, "column", ""),))
    wrong = [name for name, values in strings.items() if not all(isinstance(value, str) for value in values)]
    if wrong:
        return f"{wrong[0]} must be strings"
    statistics = (item.mean, item.std) if isinstance(item.mean, tuple) else ((item.mean,), (item.std,))
    if not all(isinstance(value, numbers.Real) and math.isfinite(value) for value in sum(statistics, ())):
        return "mean and std must be finite numbers"
    if isinstance(item, Task):
        if TYPES[item.type].model == "captioning" and not _is_count(item.length):
            return f"length must be a whole number above 0, not {item.length!r}"
        if item.one_class and item.outputs == 1 and len(item.classes) != 2:
            return f"a binary task has two classes, not {len(item.classes)}"
        return None
    return item.traits.problem(item)


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
