"""Read data as a model wants it: with its own tokens and image size."""

import numpy as np

from kerasfusion.data import load, retokenize
from kerasfusion.zoo import get_entry

# Of `kf.data.load`: what an argument has when the user gave none.
_NOT_GIVEN = {"tokenizer": ("words", None), "image_size": (None,)}


def read_for_model(data, model):
    """Read data again where a model wants other tokens or another image size than it was read with.

    What the user gave to `kf.data.load` stays. Rows and splits stay.

    Args:
        data: What `kf.data.load` returned.
        model: A name in the zoo, whose entry says what it wants (`kf.register_model(load=…)`).

    Returns:
        Data: `data` itself where there is nothing to change.

    Example:

    ```python
    data = kf.workflows.read_for_model(kf.data.load("pets.csv"), "pretrained_multiply")
    model = kf.create_model("pretrained_multiply", data.schema)
    ```
    """
    wanted = {name: value for name, value in get_entry(model).load.items() if _can_change(data, name)}
    if not wanted:
        return data
    if "image_size" not in wanted:
        return retokenize(data, **wanted)
    again = load(**{**data.arguments, **wanted})
    if not all(_same_rows(data.splits[name], split) for name, split in again.splits.items()):
        # Rows were changed after they were loaded: images stay as they are.
        return retokenize(data, wanted["tokenizer"]) if "tokenizer" in wanted else data
    return again


def _can_change(data, name):
    kind = "text" if name == "tokenizer" else "image"
    return (
        "source" in data.arguments
        and bool(data.schema.of_kind(kind))
        and (data.arguments.get(name) in _NOT_GIVEN[name])
    )


def _same_rows(split, again):
    return len(split) == len(again) and all(
        np.array_equal(labels, again.labels[name]) and np.array_equal(split.weights[name], again.weights[name])
        for name, labels in split.labels.items()
    )
