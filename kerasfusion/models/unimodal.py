import functools

from kerasfusion.fusion import ConcatFusion
from kerasfusion.heads import build_head
from kerasfusion.models.fusion import FusionModel
from kerasfusion.models.inputs import make_inputs, rebuild_encoder


def unimodal(model, schema, kind):
    """A fresh model on one modality, with the very branch that a fused model has for it: the fair baseline.

    Args:
        model: A model made by `fusion_model`.
        schema: The schema it was made for.
        kind: `"text"`, `"image"` or `"numeric"`.

    Returns:
        FusionModel: named `<kind>_only`, untrained, on the features of that kind alone.

    Example:

    ```python
    text_only = kf.models.unimodal(model, data.schema, "text")
    ```
    """
    schema = schema.only(kind)
    width = getattr(model.fusion, "units", None) or 128  # a bare concatenation has no width of its own
    dropout = getattr(model.fusion, "dropout", 0.0)
    return FusionModel(
        make_inputs(schema),
        {f.name: functools.partial(rebuild_encoder, model.encoders[f.name], f) for f in schema.features},
        lambda: ConcatFusion(width, dropout=dropout, name="fusion"),
        {task.name: functools.partial(build_head, task, _smoothing(model, task)) for task in schema.tasks},
        wide={f.name: _copy(model.wide[f.name]) for f in schema.features if f.name in model.wide},
        linear=None if model.linear is None else functools.partial(_own_linear, model.linear, schema),
        name=f"{kind}_only",
    )


def load_branches(model, members):
    """Copy the branches of trained single-modality models into a fused model.

    The encoders and n-gram layers are copied, and the fusion and the heads stay as they are. A branch of another
    shape, such as one that reads another modality's grid beside its own feature, stays as it is as well.

    Args:
        model: A model made by `fusion_model`. Its weights are modified.
        members: dict kind -> model made by `unimodal` for it.

    Returns:
        list of str: the features whose branch was copied.

    Example:

    ```python
    kf.models.load_branches(model, {"text": text_only, "image": image_only})  # ["image", "text"]
    ```
    """
    copied = []
    for member in members.values():
        for name in member.encoders:
            branches = [(own[name], its[name]) for own, its in _parts(model, member) if name in its]
            if all(_shapes(own) == _shapes(its) for own, its in branches):
                for own, its in branches:
                    own.set_weights(its.get_weights())
                copied.append(name)
    return sorted(copied)


def _parts(model, member):
    return (model.encoders, member.encoders), (model.wide, member.wide)


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]


def _own_linear(layer, schema):
    names = [feature.name for feature in schema.features]
    own = {
        "texts": [name for name in names if name in layer.texts],
        "described": [name for name in names if name in layer.described],
        "categories": {name: layer.categories[name] for name in names if name in layer.categories},
    }
    return type(layer).from_config({**layer.get_config(), **own})


def _copy(layer):
    return type(layer).from_config(layer.get_config())


def _smoothing(model, task):
    return getattr(model.heads[task.name], "label_smoothing", 0.0)
