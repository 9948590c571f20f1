import keras

from kerasfusion.fusion import ConcatFusion
from kerasfusion.heads import build_head
from kerasfusion.models.inputs import make_inputs, rebuild_encoder


def unimodal(model, schema, kind):
    """A fresh model on one modality, with the very branch that a fused model has for it: the fair baseline.

    Args:
        model: A model made by `fusion_model`.
        schema: The schema it was made for.
        kind: `"text"`, `"image"` or `"numeric"`.

    Returns:
        keras.Model: named `<kind>_only`, untrained, on the features of that kind alone.

    Example:

    ```python
    text_only = kf.models.unimodal(model, data.schema, "text")
    ```
    """
    schema = schema.only(kind)
    inputs = make_inputs(schema)
    encoded = {}
    for feature in schema.features:
        branch = model.get_layer(f"encode_{feature.name}")
        encoded[feature.name] = rebuild_encoder(branch, feature)(inputs[feature.name])
    fusion = model.get_layer("fusion")
    units = fusion.units or 128  # a bare concatenation has no width of its own
    present = {feature.name: inputs[f"{feature.name}_present"] for feature in schema.features}
    representation = ConcatFusion(units, dropout=fusion.dropout, name="fusion")(encoded, present=present)
    outputs = {task.name: build_head(task)(representation) for task in schema.tasks}
    return keras.Model(inputs, outputs, name=f"{kind}_only")
