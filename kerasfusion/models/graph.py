"""The calls inside a functional model, made again in another order."""

import keras


def split_graph(model, per_image):
    """The model's calls, from inputs to outputs: those that depend on the picture alone, and all others."""
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
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        values.update((id(symbol), value) for symbol, value in zip(node.output_tensors, outputs, strict=True))
