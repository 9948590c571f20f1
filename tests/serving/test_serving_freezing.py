"""Variables folded into a graph: the same answers, fewer operations, half the bytes in bfloat16."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.serving import freezing
from kerasfusion.serving.freezing import freeze


def graph_of(function):
    return function.get_concrete_function().graph.as_graph_def()


def constants(function, dtype):
    nodes = [node for node in graph_of(function).node if node.op == "Const"]
    arrays = [tf.make_ndarray(node.attr["value"].tensor) for node in nodes]
    return [array for array in arrays if array.dtype == dtype and array.size >= freezing.FEWEST_VALUES]


def dense(units=2):
    layer = keras.layers.Dense(units)
    layer.build((None, 3))
    layer.set_weights([np.arange(3 * units, dtype="float32").reshape(3, units), np.full(units, 10, "float32")])
    return layer


@pytest.mark.parametrize("bfloat16", [False, True])
def test_known_answers_under_the_same_names(bfloat16):
    layer = dense()
    function = tf.function(
        lambda a, b: {"sum": layer(a), "also": b + 1, "alike": b + 1},
        input_signature=[tf.TensorSpec((None, 3), tf.float32, "a"), tf.TensorSpec((None,), tf.int32, "b")],
        autograph=False,
    )
    frozen = freeze(function, bfloat16)
    assert frozen.get_concrete_function().variables == ()
    answers = frozen(tf.constant([[1.0, 0.0, 0.0], [1.0, 2.0, 3.0]]), tf.constant([4, 5]))
    # Small integers are exact in bfloat16.
    assert answers["sum"].numpy().tolist() == [[10.0, 11.0], [26.0, 32.0]]
    assert answers["sum"].dtype == tf.float32 and sorted(answers) == ["alike", "also", "sum"]
    assert answers["also"].numpy().tolist() == answers["alike"].numpy().tolist() == [5, 6]


def test_an_input_that_nothing_reads_stays_an_input():
    function = tf.function(
        lambda a, b: {"a": a * 2.0},
        input_signature=[tf.TensorSpec((None,), tf.float32, "a"), tf.TensorSpec((None,), tf.bool, "b")],
        autograph=False,
    )
    assert freeze(function)(tf.constant([3.0]), tf.constant([True]))["a"].numpy().tolist() == [6.0]


def test_a_batch_normalisation_is_folded_into_the_convolution_before_it():
    conv = keras.layers.Conv2D(4, 3, use_bias=False)
    norm = keras.layers.BatchNormalization()
    image = tf.random.stateless_normal((2, 6, 6, 3), (1, 2))
    norm.build((None, 4, 4, 4))
    norm.set_weights([np.array(w, "float32") for w in ([1, 2, 3, 4], [1, 0, 1, 0], [0, 1, 0, 1], [1, 4, 9, 16])])
    spec = [tf.TensorSpec((None, 6, 6, 3))]
    function = tf.function(lambda x: {"y": norm(conv(x), training=False)}, spec, autograph=False)
    expected = function(image)["y"]
    frozen = freeze(function)
    operations = [node.op for node in graph_of(frozen).node]
    assert operations.count("Conv2D") == 1 and not {"Mul", "Rsqrt", "Sub", "ReadVariableOp"} & set(operations)
    np.testing.assert_allclose(frozen(image)["y"], expected, rtol=0, atol=1e-5)


def words(length):
    """Word vectors, a recurrent network and a dense layer: unrolled where texts are short, else a loop."""
    layers = [
        keras.layers.Embedding(1000, 32),
        keras.layers.GRU(48, unroll=length <= 8),
        keras.layers.Dense(20),
    ]

    def network(ids):
        for layer in layers:
            ids = layer(ids)
        return {"logits": ids}

    return tf.function(network, [tf.TensorSpec((None, length), tf.int32, "ids")], autograph=False), layers


@pytest.mark.parametrize("length", [6, 20], ids=["unrolled", "loop"])
def test_recurrent_networks_in_float32_and_bfloat16(length):
    function, layers = words(length)
    ids = tf.random.stateless_uniform((16, length), (1, 2), 0, 1000, tf.int32)
    expected = function(ids)["logits"]
    weights = 4 * sum(layer.count_params() for layer in layers)

    frozen = freeze(function)
    np.testing.assert_allclose(frozen(ids)["logits"], expected, rtol=0, atol=1e-6)
    assert weights <= graph_of(frozen).ByteSize() < weights + 60_000
    assert not constants(frozen, tf.bfloat16.as_numpy_dtype)

    half = freeze(function, bfloat16=True)
    answers = half(ids)["logits"]
    assert answers.dtype == tf.float32
    np.testing.assert_allclose(answers, expected, rtol=0, atol=2e-2)
    assert np.abs(answers - expected).max() > 1e-6
    assert graph_of(half).ByteSize() < 0.65 * weights
    assert not constants(half, np.float32)
    # Of the word vectors only the rows that are looked up are widened.
    # The products outside of a loop are computed in bfloat16 as well.
    products = [node.attr["T"].type for node in graph_of(half).node if node.op == "MatMul"]
    assert products and set(products) == {tf.bfloat16.as_datatype_enum}
    gathers = [node.attr["Tparams"].type for node in graph_of(half).node if node.op == "GatherV2"]
    assert tf.bfloat16.as_datatype_enum in gathers


def test_the_environment_is_left_as_it_was(monkeypatch):
    name, other = (f"TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_{which}" for which in ("DENYLIST_ADD", "CLEARLIST_REMOVE"))
    layer = dense()
    function = tf.function(lambda x: {"y": layer(x)}, [tf.TensorSpec((None, 3))], autograph=False)
    freeze(function, bfloat16=True)
    assert name not in os.environ and other not in os.environ
    monkeypatch.setenv(name, "Mul")
    freeze(function, bfloat16=True)
    assert os.environ[name] == "Mul"


def test_weights_that_fit_into_no_graph(monkeypatch):
    layer = dense()
    function = tf.function(lambda x: {"y": layer(x)}, [tf.TensorSpec((None, 3))], autograph=False)
    monkeypatch.setattr(freezing, "LARGEST_GRAPH", 31)
    with pytest.raises(ValueError, match=r"a graph of constants holds at most 2\. Export them as variables"):
        freeze(function)
    monkeypatch.setattr(freezing, "LARGEST_GRAPH", 32)
    freeze(function)
