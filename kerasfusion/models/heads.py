def get_heads(model):
    """The heads of a model: dict task -> the layer that owns its loss, metrics and predictions.

    Args:
        model: A model of this package, which knows its `heads`, or any functional model with a dict of outputs whose
            last layers are heads.

    Returns:
        dict task -> layer.
    """
    if hasattr(model, "heads"):
        return dict(model.heads)
    # Keras lists the names of output layers in the order of its flattened outputs, dicts by key.
    return {task: model.get_layer(name) for task, name in zip(sorted(model.output), model.output_names, strict=True)}
