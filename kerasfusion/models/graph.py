"""The calls inside a functional model, made again in another order."""

import keras


def split_graph(model, per_image):
    """The model's calls, from inputs to outputs: those that depend on the image alone, and all others."""
    alone = {id(model.input[name]) for name in per_image}
    once, each = [], []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            if all(id(tensor) in alone for tensor in node.input_tensors):
                alone.update(id(tensor) for tensor in node.output_tensors)
                once.append(node)
            else:
                each.append(node)
    return once, each


def run_nodes(nodes, values):
    """Call the layers of these nodes again, on `values`: id of a symbolic tensor -> tensor.

    (A `keras.Model` cut out between inner tensors would do the same, but it clones nodes into the shared layers,
    after which the plain model can no longer be saved.)
    """
    for node in nodes:
        args, kwargs = node.arguments.fill_in(values)
        # Written down when the model was made: `training=False` for layers with that default, such as Dropout.
        kwargs.pop("training", None)
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        values.update((id(symbol), value) for symbol, value in zip(node.output_tensors, outputs, strict=True))


def only_reader(model, name):
    """The layer that alone takes a model's input, or None where several or none do."""
    readers = [
        node.operation
        for nodes in model._nodes_by_depth.values()
        for node in nodes
        if any(tensor is model.input[name] for tensor in node.input_tensors) and not node.is_input
    ]
    return readers[0] if len(readers) == 1 else None


class Rerun(keras.Model):
    """A functional model whose layers may be given something else than its inputs promise, such as cached features.

    Same layers, same weights. It is never saved: the functional model, `plain`, is.
    """

    def __init__(self, model):
        super().__init__(name=f"{model.name}_rerun")
        self.plain = model
        self._nodes = split_graph(model, ())[1]

    def call(self, inputs, training=None):
        # `training` reaches the layers through Keras's call context, which is set only because it is named here.
        values = {id(symbol): inputs[name] for name, symbol in self.plain.input.items()}
        run_nodes(self._nodes, values)
        return {task: values[id(output)] for task, output in self.plain.output.items()}
