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
