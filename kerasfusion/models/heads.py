def get_heads(model):
    """The layer behind each output of a model: dict task -> the head that owns its loss and predictions."""
    return {task: output._keras_history.operation for task, output in model.output.items()}
