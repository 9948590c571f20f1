"""Partial weight transfer between models of different shapes."""

import re
from collections import Counter

import numpy as np
import pandas as pd
from keras import ops

from kerasfusion.encoders.features import FEATURES
from kerasfusion.layers import LinearPath
from kerasfusion.models import Captioner, get_heads
from kerasfusion.schema import SPECIAL_TOKENS, Feature, Task


def transfer_weights(model, parent, schema=None, parent_schema=None):
    """Copy the weights of a parent model into a new model of different shape.

    The models are built alike, apart from changes such as other classes, another vocabulary or image size, other
    layer widths, or more or fewer blocks. Weights are matched by the names of the layers that a builder names
    (`encode_text`, `fusion`, `head_label`), and by order within a layer.

    - Weights of the same shape are *copied*.
    - Weights of another shape are *resized*: the common part is copied, and the rest keeps its initial values. With
      both schemas, word embeddings are matched by word, head columns by class or word, and kernel rows of a numeric
      encoder by column, also if the shapes are equal. Along other axes, the first indices are matched.
    - Weights that the parent does not have are *new*, as are weights that depend on the image size if it changed.
    - Weights that the new model does not have are *dropped*.

    A linear path (`kf.layers.LinearPath`) is left as it is: `kf.training.fit_linear_path` fits it after the network.

    Args:
        model: New model. Its weights are modified.
        parent: Model to copy from.
        schema: `Schema` of the new model. Defaults to `None`.
        parent_schema: `Schema` of the parent. Pass both schemas or none. Defaults to `None`.

    Returns:
        pandas.DataFrame with a row per weight: `weight`, the shapes `was` and `now`, `status`, and `share`, the
        fraction of its values that were copied.

    Raises:
        ValueError: If only one schema is passed, or no weight matches.

    Example:

    ```python
    model = kf.create_model(run.config["model"], data.schema, **run.config["changes"])
    print(kf.transfer.transfer_weights(model, run.model, data.schema, run.schema))
    ```
    """
    if (schema is None) != (parent_schema is None):
        raise ValueError("transfer_weights: pass both schemas to match classes and words by name, or none.")
    schemas = None if schema is None else (_items(model, schema), _items(parent, parent_schema))
    places, old = _places(model), _places(parent)
    rows = []
    for place, weight in places.items():
        row = {"weight": weight.path, "was": None, "now": tuple(weight.shape), "status": "new", "share": 0.0}
        if place in old:
            row["was"] = tuple(old[place].shape)
            common = _common(place[0], weight, old[place], schemas)
            if common is not None:
                to, start = zip(*common, strict=True) if common else ((), ())
                values = ops.convert_to_numpy(weight).copy()
                values[np.ix_(*to)] = ops.convert_to_numpy(old[place])[np.ix_(*start)]
                weight.assign(values)
                share = float(np.prod([len(axis) for axis in to]) / values.size)
                status = "copied" if share == 1 and row["was"] == row["now"] else "resized" if share else "new"
                row.update(status=status, share=share)
        rows.append(row)
    rows += [
        {"weight": weight.path, "was": tuple(weight.shape), "now": None, "status": "dropped", "share": 0.0}
        for place, weight in old.items()
        if place not in places
    ]
    found = pd.DataFrame(rows)
    if not found["share"].any():
        raise ValueError(
            f"transfer_weights: no weight of {parent.name} matches {model.name}, whose layers are "
            f"{', '.join(layer.name for layer in model.layers if layer.weights)}."
        )
    return found


def _places(model):
    """Dict of (layer, path within it without automatic numbers, index among equal paths) -> weight."""
    places, seen = {}, Counter()
    for layer in model.layers:
        for weight in () if isinstance(layer, LinearPath) else layer.weights:
            # Automatic names differ between processes: the second unnamed layer is `dense_1` in one, `dense_7` in
            # another.
            inner = re.sub(r"_\d+(?=/|$)", "", weight.path.removeprefix(f"{layer.name}/"))
            places[layer.name, inner, seen[layer.name, inner]] = weight
            seen[layer.name, inner] += 1
    return places


def _common(layer, weight, old, schemas):
    """Matching indices of the new and the old weight per axis; `None` if they do not match at all."""
    if len(weight.shape) != len(old.shape):
        return None
    common = [(np.arange(min(new, was)),) * 2 for new, was in zip(weight.shape, old.shape, strict=True)]
    if schemas is None:
        return common
    (new, is_head), (was, _) = (items.get(layer, (None, False)) for items in schemas)
    if new is None and was is None:
        return common
    if new is None or was is None or _kind(new) != _kind(was):
        return None
    resized = isinstance(new, Feature) and new.size != was.size
    if resized and tuple(weight.shape) != tuple(old.shape):
        return None
    if isinstance(new, Task) and new.one_class and new.outputs < len(new.classes) and new.classes != was.classes:
        return None
    (axis, names), (same, before) = (_named_axis(item, is_head, w) for item, w in ((new, weight), (was, old)))
    if axis is not None and axis == same:
        common[axis] = _by_name(names, before)
    return common


def _kind(item):
    """The kind of a feature or the type of a task."""
    return item.type if isinstance(item, Task) else item.kind


def _items(model, schema):
    """Dict of layer name -> its `Feature` or `Task`, and whether the layer is the head of the task."""
    encoders, heads = getattr(model, "encoders", {}), get_heads(model)
    items = {encoders[f.name].name: (f, False) for f in schema.features if f.name in encoders}
    items |= {heads[task.name].name: (task, True) for task in schema.tasks if task.name in heads}
    if isinstance(model, Captioner):
        items[model.decoder.name] = (schema[model.task], False)
    return items


def _named_axis(item, is_head, weight):
    """The axis of a weight that is counted in words, classes or columns, and the names along it."""
    if not isinstance(item, Task):
        return FEATURES[item.kind].named_axis(item, weight)
    words = (*SPECIAL_TOKENS, *item.vocabulary)
    if item.length is not None and weight.path.endswith("/embeddings") and weight.shape[0] == item.vocabulary_size:
        return 0, words
    if item.length is not None and is_head:
        return len(weight.shape) - 1, words
    if item.has_probabilities and item.outputs == len(item.classes):
        return len(weight.shape) - 1, item.classes
    return None, ()


def _by_name(names, before):
    place = {name: i for i, name in enumerate(before)}
    pairs = [(i, place[name]) for i, name in enumerate(names) if name in place]
    return np.array(pairs, int).reshape(-1, 2).T
