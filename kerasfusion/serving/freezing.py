"""A network as one graph of constants: what serving never changes is computed once, when it is exported."""

import contextlib
import itertools
import os

import ml_dtypes
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
from tensorflow.python.eager import context
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.grappler import tf_optimizer

# A graph is one protocol buffer, and those end at 2 GiB.
LARGEST_GRAPH = 2**31 - 2**20
# Constants of fewer values than this stay float32: the operation that widens them would weigh as much as is saved.
FEWEST_VALUES = 256
# The lists of operations by which TensorFlow decides what to compute in less precision.
_LISTS = "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE"
_LOOPS = "While,StatelessWhile," + ",".join(
    f"TensorList{what}" for what in ("FromTensor", "GetItem", "Reserve", "SetItem", "Stack")
)
_numbers = itertools.count()
_OPTIMIZERS = (
    "pruning",
    "function",
    "constfold",
    "shape",
    "arithmetic",
    "constfold",
    "dependency",
    "common_subgraph_elimination",
)


def freeze(function, bfloat16=False):
    """Fold the variables of a function into its graph, and simplify the graph for inference.

    Constants let TensorFlow do at export time what it would do in every call: batch normalisations are folded into
    the convolutions before them, parts that depend on weights alone are computed, equal parts become one.

    Args:
        function: A `tf.function` with an input signature that returns a dict of tensors.
        bfloat16: Store the weights in bfloat16, half the size, and multiply matrices and convolve in it. CPUs with
            AVX512-BF16 or AMX gain from that; on others it may be slower than float32.

    Returns:
        A `tf.function` with the same signature that holds no variables. Its outputs keep their types.

    Raises:
        ValueError: The weights do not fit into a graph (2 GiB).

    Example:

    ```python
    network = tf.function(lambda x: {"y": dense(x)}, input_signature=[tf.TensorSpec((None, 3))])
    freeze(network)(tf.ones((1, 3)))["y"]
    ```
    """
    concrete = function.get_concrete_function()
    size = sum(variable.dtype.size * variable.shape.num_elements() for variable in concrete.variables)
    if size > LARGEST_GRAPH:
        raise ValueError(
            f"The weights take {size / 2**30:.1f} GiB, and a graph of constants holds at most 2. Export them "
            "as variables."
        )
    # Loops stay whole: LiteRT and TensorFlow's quickest executor know no others.
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    inputs, outputs = ([tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs))
    keep = [name.partition(":")[0] for name in (*inputs, *outputs)]
    graph = _optimize(frozen.graph.as_graph_def(), keep, _OPTIMIZERS)
    if bfloat16:
        graph = _optimize(_compute_in_bfloat16(graph, keep), keep, _OPTIMIZERS)
        _store_in_bfloat16(graph)
        # What a loop gets in float32 and others in bfloat16 is now the same constant.
        graph = _optimize(graph, keep, ("common_subgraph_elimination",))
        for node in graph.node:
            if node.op == "Const" and node.attr["dtype"].type == tf.bfloat16.as_datatype_enum:
                _write(node, tf.make_ndarray(node.attr["value"].tensor))
    _register_functions(graph)

    def network(*tensors):
        found = tf.graph_util.import_graph_def(graph, dict(zip(inputs, tensors, strict=True)), outputs, name="")
        kept = [tf.cast(tensor, old.dtype) for tensor, old in zip(found, frozen.outputs, strict=True)]
        return tf.nest.pack_sequence_as(concrete.structured_outputs, kept)

    return tf.function(network, input_signature=function.input_signature, autograph=False)


def _optimize(graph, keep, optimizers=(), **settings):
    """Run Grappler's passes, on the machine's CPU, as the session would when it loads the graph."""
    meta_graph = meta_graph_pb2.MetaGraphDef(graph_def=graph)
    # Grappler takes what is listed here for what is fetched, and removes what that does not need.
    meta_graph.collection_def["train_op"].node_list.value.extend(keep)
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.CopyFrom(rewriter_config_pb2.RewriterConfig(optimizers=optimizers, min_graph_nodes=-1, **settings))
    optimized = tf_optimizer.OptimizeGraph(config, meta_graph)
    for node in optimized.node:
        # Grappler's own notes, which other readers of the graph stumble over.
        for key in [key for key in node.attr if key.startswith("_")]:
            del node.attr[key]
    return optimized


def _compute_in_bfloat16(graph, keep):
    """Put the operations that gain from it, and those between them, into bfloat16 (where TensorFlow has oneDNN)."""
    off = rewriter_config_pb2.RewriterConfig.OFF
    # A loop, and the lists it reads and writes, would get bfloat16 from outside while its body, a function of its
    # own, still expects float32.
    with _environment({f"{_LISTS}_CLEARLIST_REMOVE": _LOOPS, f"{_LISTS}_DENYLIST_ADD": _LOOPS}):
        return _optimize(
            graph,
            keep,
            auto_mixed_precision_onednn_bfloat16=rewriter_config_pb2.RewriterConfig.ON,
            meta_optimizer_iterations=rewriter_config_pb2.RewriterConfig.ONE,
            # These choose kernels for this machine; the session that loads the graph chooses for its own.
            layout_optimizer=off,
            remapping=off,
        )


@contextlib.contextmanager
def _environment(changes):
    """Set variables that TensorFlow reads, for the time of a block: these settings have no other door."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _store_in_bfloat16(graph):
    """Keep what is still float32 in bfloat16, and widen it where it is used."""
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in list(graph.node):
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            continue
        values = tf.make_ndarray(node.attr["value"].tensor)
        if values.size < FEWEST_VALUES:
            continue
        _write(node, values.astype(ml_dtypes.bfloat16))
        gathers = [reader for reader in readers.get(node.name, []) if reader.op == "GatherV2"]
        if len(gathers) == 1 == len(readers[node.name]) and gathers[0].input[0] == node.name:
            # Of a table of word vectors only the rows that are looked up are widened.
            gathers[0].attr["Tparams"].type = tf.bfloat16.as_datatype_enum
            _widen(graph, gathers[0])
        else:
            _widen(graph, node)


def _register_functions(graph):
    """Make the bodies of loops known to TensorFlow, under new names: by the old ones it knows them unsimplified."""
    number = next(_numbers)
    names = {function.signature.name: f"{function.signature.name}_{number}" for function in graph.library.function}
    for function in graph.library.function:
        function.signature.name = names[function.signature.name]
    for node in [*graph.node, *(node for function in graph.library.function for node in function.node_def)]:
        for value in node.attr.values():
            for called in (value.func, *value.list.func):
                if called.name in names:
                    called.name = names[called.name]
    for function in graph.library.function:
        context.context().add_function_def(function)


def _write(node, values):
    """Make a constant of an array; as bytes, because Grappler writes each bfloat16 value as a number of 3 bytes."""
    node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
    proto = node.attr["value"].tensor
    proto.Clear()
    proto.dtype = node.attr["dtype"].type
    proto.tensor_shape.CopyFrom(tf.TensorShape(values.shape).as_proto())
    proto.tensor_content = values.tobytes()


def _widen(graph, node):
    """Give a node another name and its old one to a cast behind it, so that its readers get float32 as before."""
    name = node.name
    node.name = f"{name}/bfloat16"
    cast = graph.node.add(name=name, op="Cast", input=[node.name])
    cast.attr["SrcT"].type = tf.bfloat16.as_datatype_enum
    cast.attr["DstT"].type = tf.float32.as_datatype_enum
