"""Partial weight transfer between models of different shapes."""

import re
from collections import Counter

import numpy as np
import pandas as pd
from keras import ops

from kerasfusion.models import Captioner, get_heads
from kerasfusion.schema import SPECIAL_TOKENS, Task


def transfer_weights(model, parent, schema=None, parent_schema=None):
    """Copy into a new model all that its parent knows and it still has a place for.

    The new model is made as the parent was, with the changes that its task needs: other classes, another vocabulary,
    another size of images, wider or narrower layers, more or fewer blocks. Places are told by the names of the
    layers that a builder named (`encode_text`, `fusion`, `head_label`), and within these by order.

    - A weight that is there in the same shape is *copied*.
    - One of another shape is *resized*: what both have in common is copied, the rest stays as it began. With the two
      schemas, word vectors go by the word, columns of a head by the class or the word, rows of a numbers branch by
      the column, also where the shape is the same; of other axes the first places are common.
    - What the parent lacks is *new*; and, where the image's size changed, what depends on that size.
    - What the new model has no place for is *dropped*.

    Args:
        model: The new model; its weights are changed.
        parent: The model to take from.
        schema: The new model's `Schema`.
        parent_schema: The parent's; both or none.

    Returns:
        pandas.DataFrame: a row for each weight with `weight`, the shapes it `was` and is `now`, its `status`, and
        `share`, the share of its numbers that came from the parent.

    Raises:
        ValueError: one schema without the other, or no weight has a place in the new model.

    Example:

    ```python
    model = kf.create_model(run.config["model"], data.schema, **run.config["changes"])
    print(kf.transfer.transfer_weights(model, run.model, data.schema, run.schema))
    ```
    """
    if (schema is None) != (parent_schema is None):
        raise ValueError(
            "transfer_weights: classes and words are matched by name with both schemas; one alone says nothing."
        )
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
            f"transfer_weights: no weight of {parent.name} has a place in {model.name}, whose layers are "
            f"{', '.join(layer.name for layer in model.layers if layer.weights)}."
        )
    return found


def _places(model):
    """(layer, path in it without automatic numbers, how many like it came before) -> weight."""
    places, seen = {}, Counter()
    for layer in model.layers:
        for weight in layer.weights:
            # The second of two unnamed layers is `dense_1` in one process and `dense_7` in another.
            inner = re.sub(r"_\d+(?=/|$)", "", weight.path.removeprefix(f"{layer.name}/"))
            places[layer.name, inner, seen[layer.name, inner]] = weight
            seen[layer.name, inner] += 1
    return places


def _common(layer, weight, old, schemas):
    """For each axis the places in the new and in the old weight that are the same; None where nothing can be."""
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
    if _kind(new) == "image" and new.size != was.size and tuple(weight.shape) != tuple(old.shape):
        return None
    if isinstance(new, Task) and new.one_class and new.outputs < len(new.classes) and new.classes != was.classes:
        return None
    (axis, names), (same, before) = (_named_axis(item, is_head, w) for item, w in ((new, weight), (was, old)))
    if axis is not None and axis == same:
        common[axis] = _by_name(names, before)
    return common


def _kind(item):
    """A feature's kind or a task's type."""
    return item.type if isinstance(item, Task) else item.kind


def _items(model, schema):
    """What a layer is for: dict name of the layer -> the `Feature` or `Task`, and whether it is the task's head."""
    encoders, heads = getattr(model, "encoders", {}), get_heads(model)
    items = {encoders[f.name].name: (f, False) for f in schema.features if f.name in encoders}
    items |= {heads[task.name].name: (task, True) for task in schema.tasks if task.name in heads}
    if isinstance(model, Captioner):
        items[model.decoder.name] = (schema[model.task], False)
    return items


def _named_axis(item, is_head, weight):
    """The axis of a weight that is counted in words, classes or columns, and the names along it."""
    end, is_task = weight.path.rsplit("/", 1)[-1], isinstance(item, Task)
    worded = item.length is not None if is_task else item.kind == "text"
    if worded and end == "embeddings" and weight.shape[0] == item.vocabulary_size:
        return 0, (*SPECIAL_TOKENS, *item.vocabulary)
    if worded and is_head:
        return len(weight.shape) - 1, (*SPECIAL_TOKENS, *item.vocabulary)
    if is_task and item.has_probabilities and item.outputs == len(item.classes):
        return len(weight.shape) - 1, item.classes
    if not is_task and item.kind == "numeric" and end == "kernel":
        return 0, item.columns
    return None, ()


def _by_name(names, before):
    place = {name: i for i, name in enumerate(before)}
    pairs = [(i, place[name]) for i, name in enumerate(names) if name in place]
    return np.array(pairs, int).reshape(-1, 2).T
